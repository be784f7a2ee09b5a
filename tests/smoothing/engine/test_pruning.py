"""Leaving out columns: equal to the readable path, whatever the features are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smoothing_oracle import agree, check, plain

from jax_dns import smooth, smooth_grid, smooth_queries
from jax_dns.smoothing.engine import pruning
from jax_dns.smoothing.partition import partition_by_group

N = 1_000
KS = (2, 5, 40)


@pytest.fixture(autouse=True, scope="module")
def blocks_done():
    """Everything leaves out, by chunks of 64 columns. Gives whether blocks were done so."""
    done = []

    def leaving_out(*arguments, of=pruning._leaving_out):
        smoothed, sure = of(*arguments)
        jax.debug.callback(lambda x: done.append(bool(x)), sure)
        return smoothed, sure

    with pytest.MonkeyPatch.context() as patch:
        for name, value in dict(SAMPLE=64, CHUNK=64, ROWS=32, PART=16, KEPT=2, PIVOTS=16).items():
            patch.setattr(pruning, name, value)
        patch.setattr(pruning, "is_worth_pruning", lambda n, m, k: k > 1)
        patch.setattr(pruning, "_leaving_out", leaving_out)
        jax.clear_caches()
        yield done
        jax.clear_caches()


@pytest.fixture
def sure(blocks_done):
    blocks_done.clear()
    return blocks_done


def one_group():
    every = np.zeros(N, int)
    return partition_by_group(every, np.ones(N, bool), every, 1, exclude_self=True)[0]


def clustered(rng, n, clusters=4):
    centres = 3 * rng.normal(size=(clusters, 16))
    features = centres[rng.integers(0, clusters, n)] + 0.5 * rng.normal(size=(n, 16))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


def test_clusters_are_left_out_and_the_result_is_that_of_all(rng, sure):
    scores, features = clustered(rng, N)
    got = smooth_grid(scores, features, KS)
    jax.effects_barrier()
    assert np.mean(sure) > 0.5
    agree(got, plain(scores, features, KS))


def test_without_clusters_nothing_is_left_out_and_soon_not_tried(rng, sure):
    scores, features = clustered(rng, N, clusters=1)
    got = smooth_grid(scores, features, KS)
    jax.effects_barrier()
    assert len(sure) == pruning.CREDIT and not any(sure)
    agree(got, plain(scores, features, KS))


def test_a_sample_that_misleads_is_found_out(rng, sure):
    """Of 20 that lie close to the queries all are in the sample: too few are below its limit."""
    scores, features = clustered(rng, N, clusters=1)
    near = one_group().rows[:20]
    features[np.setdiff1d(np.arange(N), near)] *= 5
    new_scores, new = clustered(rng, 64, clusters=1)
    new = features[near].mean(0) + 0.1 * new
    got = smooth_queries(new_scores, new, scores, features, 40)
    jax.effects_barrier()
    assert len(sure) == 2 and not any(sure)
    check(got, scores, features, 40, queries=(new_scores, new, np.zeros(64)))


def test_all_are_wanted(rng):
    scores, features = clustered(rng, N)
    agree(smooth(scores, features, N), plain(scores, features, (N,))[0])


def test_queries_groups_and_pools(rng):
    scores, features = clustered(rng, N)
    new_scores, new = clustered(rng, 300)
    groups, pool = np.arange(N) % 2, np.arange(N) % 5 > 0
    options = dict(groups=groups, pool=pool)
    check(smooth(scores, features, 40, **options), scores, features, 40, groups, pool)
    new_groups = np.arange(300) % 2
    got = smooth_queries(new_scores, new, scores, features, 40, query_groups=new_groups, **options)
    check(got, scores, features, 40, groups, pool, queries=(new_scores, new, new_groups))


@settings(max_examples=12, deadline=None)
@given(
    kinds=st.lists(
        st.sampled_from(["clusters", "one", "duplicates", "constant", "few values", "far"]),
        min_size=1,
        max_size=3,
    ),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_hostile_features(kinds, scale, seed):
    rng = np.random.default_rng(seed)
    parts = []
    for kind, rows in zip(kinds, np.array_split(np.arange(N), len(kinds))):
        scores, x = clustered(rng, len(rows), clusters=1 if kind == "one" else 4)
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
    scores = rng.normal(size=N).astype(np.float32)
    got = smooth_grid(scores, features, KS)
    some = rng.choice(N, 25, replace=False)
    for value, k in zip(got, KS):
        check_some(value, scores, features, k, some)


def check_some(got, scores, features, k, rows):
    """`check` for some rows of `smooth`'s result."""
    x = features.astype(np.float64)
    x = x - x.mean(0)
    norms = (x**2).sum(1)
    for i in rows:
        others = np.delete(np.arange(len(x)), i)
        distances = ((x[i] - x[others]) ** 2).sum(1)
        limit = np.sort(distances)[k - 2]
        slack = 2e-6 * (norms[i] + norms.max())
        certain = distances < limit - slack
        tied = np.sort(scores[others[np.abs(distances - limit) <= slack]])
        free = k - 1 - certain.sum()
        total = scores[i] + scores[others[certain]].sum()
        assert got[i] * k >= total + tied[:free].sum() - 1e-5 * k
        assert got[i] * k <= total + tied[len(tied) - free :].sum() + 1e-5 * k


def test_alike_ones_lie_together(rng):
    _, features = clustered(rng, N)
    rows = one_group().rows
    ordered, queries = pruning.sort_by_centroid(
        jnp.asarray(features), jnp.asarray(features), rows, np.arange(N)
    )
    assert sorted(ordered) == sorted(queries) == list(range(N))
    np.testing.assert_array_equal(ordered[: pruning.SAMPLE], rows[: pruning.SAMPLE])
    steps = np.linalg.norm(np.diff(features[queries], axis=0), axis=1)
    assert np.median(steps) < 0.5 * np.median(np.linalg.norm(np.diff(features, axis=0), axis=1))


def test_sizes_are_whole_chunks_and_whole_tiles():
    from jax_dns.smoothing.engine.counting import padded_columns

    for n in (70_000, 100_000, 999_999):
        columns = pruning.chunked_columns(n)
        room = pruning.kept_columns(columns)
        assert columns % pruning.CHUNK == 0 and columns >= n
        assert room % pruning.CHUNK == 0 and padded_columns(room) == room
        assert padded_columns(room // 2) == room // 2
