"""One neighbour order for all subsets, against `jax_dns.smooth` on each subset alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper import neighbor_order
from paper.neighbor_order import neighbour_order, smooth_subset

from jax_dns import smooth, smooth_grid, smooth_queries
from jax_dns.errors import InputError

N, D = 60, 4
rng = np.random.default_rng(5)
SCORES = rng.normal(size=N).astype(np.float32)
FEATURES = rng.normal(size=(N, D)).astype(np.float32)
ORDER = neighbour_order(FEATURES)


def test_order_is_the_sorted_distances():
    distances = np.linalg.norm(FEATURES[:, None] - FEATURES[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(ORDER, np.argsort(distances, axis=1)[:, :-1])
    assert ORDER.dtype == np.int16


def test_order_of_directions():
    unit = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    nearness = unit @ unit.T
    np.fill_diagonal(nearness, -np.inf)
    expected = np.argsort(-nearness, axis=1)[:, :-1]
    np.testing.assert_array_equal(neighbour_order(FEATURES, metric="cosine"), expected)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1), st.floats(0.05, 1))
def test_equals_a_loop(seed, share, inside):
    """Any pool, and queries inside and outside it, one by one in float64."""
    rng = np.random.default_rng(seed)
    pool = rng.random(N) < share
    pool[rng.integers(N)] = True
    queries = np.append(np.flatnonzero(rng.random(N) < inside), rng.integers(N))
    largest = int(pool.sum()) + (not pool[queries].any())
    ks = [k for k in (16, 1, 3, 2, 32, 4, 8, largest) if k <= largest]
    smoothed = smooth_subset(SCORES, ORDER, ks, pool=pool, queries=queries)
    assert smoothed.shape == (len(ks), len(queries))
    features = FEATURES.astype(np.float64)
    for column, i in zip(smoothed.T, queries):
        far = ((features - features[i]) ** 2).sum(1)
        far[~pool] = far[i] = np.inf
        near = np.argsort(far)
        expected = [(SCORES[i] + SCORES[near[: k - 1]].sum(dtype=float)) / k for k in ks]
        np.testing.assert_allclose(column, expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_equals_smooth_on_the_subset_taken_out(seed):
    """As if the other items had never been; queries inside the pool, outside it, and both."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(N)[:40])
    few = np.isin(np.arange(40), rng.permutation(40)[:25])
    pool = np.zeros(N, bool)
    pool[chosen[few]] = True
    ks = (1, 2, 4, 8, 16, 25)
    smoothed = smooth_subset(SCORES, ORDER, ks, pool=pool, queries=chosen)
    expected = smooth_grid(SCORES[chosen], FEATURES[chosen], ks, pool=few)
    np.testing.assert_allclose(smoothed, expected, rtol=1e-5, atol=1e-6)
    new = chosen[~few]
    expected = smooth_queries(SCORES[new], FEATURES[new], SCORES[pool], FEATURES[pool], 26)
    smoothed = smooth_subset(SCORES, ORDER, (26,), pool=pool, queries=new)[0]
    np.testing.assert_allclose(smoothed, expected, rtol=1e-5, atol=1e-6)


def test_blocks_do_not_matter(monkeypatch):
    pool = np.arange(N) % 3 > 0
    call = dict(pool=pool, queries=np.arange(N)[::-1])
    whole = smooth_subset(SCORES, ORDER, (1, 5, 30), **call)
    monkeypatch.setattr(neighbor_order, "BLOCK", 1)
    np.testing.assert_array_equal(whole, smooth_subset(SCORES, ORDER, (1, 5, 30), **call))
    np.testing.assert_array_equal(whole[0], SCORES[::-1])


def test_whole_pool_is_smooth_itself():
    smoothed = smooth_subset(SCORES, ORDER, (N,), pool=np.ones(N, bool), queries=np.arange(N))
    np.testing.assert_allclose(smoothed[0], smooth(SCORES, FEATURES, N), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(smoothed[0], SCORES.mean(), rtol=1e-5)


def test_k_beyond_the_pool():
    pool = np.arange(N) < 5
    call = dict(scores=SCORES, order=ORDER, pool=pool)
    smooth_subset(ks=(6,), queries=np.arange(5, N), **call)
    for ks, queries in (((6,), np.arange(N)), ((7,), np.arange(5, N)), ((0,), np.arange(5))):
        with pytest.raises(InputError, match="ks"):
            smooth_subset(ks=ks, queries=queries, **call)
