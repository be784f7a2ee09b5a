"""Smoothing in NumPy: the neighbours of a float64 loop, and not only legal ones."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smoothing_oracle import check

from jax_dns import smooth, smooth_grid, smooth_queries
from jax_dns.smoothing.host import block_distances, group_items

EXACT = 1e-12  # of the norms, in place of 2e-6


def problem(rng, n, d=16, clusters=10):
    centres = rng.normal(size=(clusters, d))
    features = centres[rng.integers(0, clusters, n)] + 0.5 * rng.normal(size=(n, d))
    return rng.normal(size=n), features.astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [2, 40, 400, 700])
def test_neighbours_are_those_of_float64(rng, metric, k):
    scores, features = problem(rng, 1_600)
    groups, pool = rng.integers(0, 2, 1_600), rng.random(1_600) < 0.95
    got = smooth(scores, features, k, groups=groups, pool=pool, metric=metric)
    check(got, scores, features, k, groups, pool, metric, tolerance=EXACT)


@pytest.mark.parametrize("sampled", [False, True])
def test_filtered_candidates_are_enough(rng, monkeypatch, sampled):
    """n is so large beside K that most candidates are dropped by a limit."""
    if sampled:
        monkeypatch.setattr(block_distances, "MAX_WHOLE", 0)
    scores, features = problem(rng, 3_000)
    assert block_distances.is_filtered(3_000, 20)
    for k, got in zip((3, 21), smooth_grid(scores, features, (3, 21))):
        check(got, scores, features, k, tolerance=EXACT)


@pytest.mark.parametrize("kind", ["far from the origin", "one far row", "clusters far apart"])
def test_rounding_hides_no_neighbour(rng, kind):
    """In float32 the distances differ by less than they are rounded by."""
    scores, features = problem(rng, 300, d=8)
    if kind == "far from the origin":
        features += 3e3
    elif kind == "one far row":
        features[5] = 1e5
    else:
        features[::2] += 2e3
    for k in (2, 30):
        check(smooth(scores, features, k), scores, features, k, tolerance=EXACT)


def test_ties_share(rng):
    """Of 500 equal items, each takes the others' mean for any K."""
    scores = np.arange(1_000.0)
    features = np.repeat(rng.normal(size=(2, 7)), 500, axis=0).astype(np.float32)
    others = (scores[:500].sum() - scores[:500]) / 499
    for k in (2, 100, 400):
        got = smooth(scores, features, k)
        np.testing.assert_allclose(got[:500], (scores[:500] + (k - 1) * others) / k, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.lists(
        st.sampled_from(["clusters", "one", "duplicates", "constant", "few values", "far"]),
        min_size=1,
        max_size=3,
    ),
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e4, 1e30]),
    k=st.sampled_from([2, 5, 40, 300]),
    limit=st.sampled_from(["none", "folded", "sampled"]),
    seed=st.integers(0, 99),
)
def test_hostile_features(kinds, scale, k, limit, seed):
    rng = np.random.default_rng(seed)
    parts = []
    for kind, rows in zip(kinds, np.array_split(np.arange(1_100), len(kinds))):
        _, x = problem(rng, len(rows), clusters=1 if kind == "one" else 10)
        if kind == "duplicates":
            x = x[rng.integers(0, 7, len(x))]
        elif kind == "constant":
            x = np.ones_like(x)
        elif kind == "few values":
            x = np.round(x)
        elif kind == "far":
            x += 100
        parts.append(x)
    features = (scale * np.concatenate(parts)).astype(np.float32)
    scores = rng.normal(size=len(features))
    queries = scores[::40], features[::40] * np.float32(1.01), np.zeros(28, int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_distances, "MIN_FILTERED", 2_000 if limit == "none" else 2)
        patch.setattr(block_distances, "MAX_WHOLE", 2**10 if limit == "sampled" else 2**15)
        got = smooth_queries(*queries[:2], scores, features, k)
    check(got, scores, features, k, queries=queries, tolerance=EXACT)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_blocks_change_nothing(rng, monkeypatch, threads):
    scores, features = problem(rng, 500)
    expected = smooth(scores, features, 30)
    monkeypatch.setattr(group_items, "_cores", lambda: threads)
    for block_size in (1, 7, 200):
        got = smooth(scores, features, 30, block_size=block_size)
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_doubles_stay_doubles(rng):
    scores, features = problem(rng, 200)
    features = features + 1e-9 * rng.normal(size=features.shape)
    with jax.enable_x64(True):
        got = smooth(scores, features, 9)
    check(got, scores, features, 9, tolerance=1e-15)
