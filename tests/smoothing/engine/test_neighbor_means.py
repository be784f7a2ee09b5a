"""Means from a block of distances, equal to those by sorting."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.smoothing.engine import neighbor_means
from jax_dns.smoothing.engine.counting import padded_columns

RANKS = (1, 8, 99, 3)
M, N = 8, padded_columns(512)


def test_all_lie_between_the_bounds(rng):
    q, x = (rng.normal(size=(n, 5)).astype(np.float32) for n in (20, 300))
    distances = (x**2).sum(1)[None, :] - 2 * q @ x.T
    longest = np.sqrt((x**2).sum(1).max())
    low, high = neighbor_means.bounds(jnp.asarray(q), jnp.asarray(longest))
    assert (distances > np.asarray(low)[:, None]).all()
    assert (distances < np.asarray(high)[:, None]).all()
    # They are tight: an item in the query's own place, and the longest one opposite to it.
    low, high = neighbor_means.bounds(jnp.asarray(q[:1]), jnp.asarray(np.linalg.norm(q[0])))
    itself = (q[0] ** 2).sum() - 2 * q[0] @ q[0]
    assert low[0] == pytest.approx(itself, rel=2e-3)
    assert high[0] == pytest.approx(4 * (q[0] ** 2).sum(), rel=2e-3)


@pytest.mark.parametrize("from_minimum", [False, True])
def test_equal_to_sorting(rng, from_minimum):
    distances = rng.normal(size=(M, N)).astype(np.float32)
    scores = rng.normal(size=N).astype(np.float32)
    bounds = np.full(M, -10, np.float32), np.full(M, 10, np.float32), np.full(M, N, np.int32)
    got = neighbor_means.sum_nearest(
        *map(jnp.asarray, (distances, scores, *bounds)),
        jnp.asarray(RANKS),
        from_minimum=from_minimum,
    )
    order = np.argsort(distances, axis=1)
    for rank, total in zip(RANKS, np.asarray(got)):
        expected = scores[order[:, :rank]].sum(1)
        np.testing.assert_allclose(total, expected, rtol=1e-4, atol=1e-5)
