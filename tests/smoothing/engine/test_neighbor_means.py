"""Means from a block of distances: equal to sorting, and sure only where nothing can be missing."""

import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.smoothing.engine import neighbor_means as module
from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.halving import halve_columns

KS = (1, 2, 9, 100)
M, N = 8, padded_columns(512)


def bounds(query_features, longest):
    return module.bounds(jnp.asarray(query_features), jnp.asarray(longest))


def means(*arrays, **options):
    return module.means(*map(jnp.asarray, arrays), **options)


@pytest.fixture
def block(rng):
    """Distances [M, N], scores of the items and of the queries, bounds."""
    near = rng.normal(size=(M, N)).astype(np.float32)
    scores, own = (rng.normal(size=n).astype(np.float32) for n in (N, M))
    return near, scores, own, np.full(M, -10, np.float32), np.full(M, 10, np.float32)


def test_all_lie_between_the_bounds(rng):
    q, x = (rng.normal(size=(n, 5)).astype(np.float32) for n in (20, 300))
    near = (x**2).sum(1)[None, :] - 2 * q @ x.T
    low, high = bounds(q, np.sqrt((x**2).sum(1).max()))
    assert (near > np.asarray(low)[:, None]).all() and (near < np.asarray(high)[:, None]).all()
    # and they touch: an item in the query's own place, and the longest one opposite to it
    low, high = bounds(q[:1], np.linalg.norm(q[0]))
    itself = (q[0] ** 2).sum() - 2 * q[0] @ q[0]
    assert low[0] == pytest.approx(itself, rel=2e-3)
    assert high[0] == pytest.approx(4 * (q[0] ** 2).sum(), rel=2e-3)


def test_equal_to_sorting(block):
    near, scores, own, low, high = block
    got, sure = means(near, scores, own, low, high, np.full(M, N, np.int32), ks=KS)
    order = np.argsort(near, axis=1)
    for k, mean in zip(KS, np.asarray(got)):
        expected = (own + scores[order[:, : k - 1]].sum(1)) / k
        np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)
    assert np.asarray(sure).all()


@pytest.mark.parametrize("tied", [False, True], ids=["in no order", "small ones in few groups"])
def test_halving_changes_no_mean(rng, monkeypatch, tied):
    """Small Ks from fewer columns, and from all where a group holds too many of the smallest."""
    n, m, ks = padded_columns(2_000), 32, (1, 2, 5, 9, 16, 64, 125, 700)
    near = rng.normal(size=(m, n)).astype(np.float32)
    if tied:
        near[3, :: n // 16] -= 10
    scores, own = (rng.normal(size=x).astype(np.float32) for x in (n, m))
    bounds = np.full(m, -20, np.float32), np.full(m, 10, np.float32), np.full(m, n, np.int32)
    asked = []
    monkeypatch.setattr(module, "halve_columns", lambda x: asked.append(1) or halve_columns(x))
    halved, sure = means(near, scores, own, *bounds, ks=ks, halve=True)
    assert len(asked) == 3 and np.asarray(sure).all()
    plain, _ = means(near, scores, own, *bounds, ks=ks)
    np.testing.assert_allclose(halved, plain, rtol=1e-5, atol=1e-6)
    order = np.argsort(near, axis=1)
    for k, mean in zip(ks, np.asarray(halved)):
        expected = (own + scores[order[:, : k - 1]].sum(1)) / k
        np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-5)


def test_not_sure_where_values_from_the_limit_on_may_be_missing(block):
    """Rows whose limit has fewer than K - 1 values below it need what was left out."""
    near, scores, own, low, _ = block
    k = 100
    ranked = np.sort(near, axis=1)
    enough = np.arange(M) % 2 == 0
    limit = np.where(enough, ranked[:, k + 20], ranked[:, k - 30])
    left = np.where(near < limit[:, None], near, np.inf).astype(np.float32)
    _, sure = means(left, scores, own, low, limit, np.full(M, N, np.int32), ks=(k,), sample=N)
    np.testing.assert_array_equal(np.asarray(sure)[0], enough)
