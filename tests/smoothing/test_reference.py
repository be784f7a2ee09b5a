"""Distances and who may be a neighbour."""

import jax.numpy as jnp
import numpy as np

from jax_dns.smoothing.reference import Queries, block_distances, make_candidates, nearest


def setting(rng, n=30):
    features = jnp.asarray(rng.normal(size=(n, 5)), jnp.float32)
    groups = jnp.asarray(rng.integers(0, 2, n), jnp.int32)
    pool = jnp.asarray(rng.random(n) < 0.7)
    return features, groups, pool


def test_distances_and_candidates(rng):
    features, groups, pool = setting(rng)
    queries = Queries(features, groups, jnp.arange(30))
    got = np.asarray(block_distances(queries, make_candidates(features, groups, pool)))
    for i in range(30):
        for j in range(30):
            if pool[j] and groups[i] == groups[j] and i != j:
                expected = float(((features[i] - features[j]) ** 2).sum())
                np.testing.assert_allclose(got[i, j], expected, rtol=1e-4, atol=1e-5)
            else:
                assert got[i, j] == np.inf


def test_a_query_that_is_no_item_excludes_nobody(rng):
    features, groups, _ = setting(rng)
    queries = Queries(features[:3], groups[:3], jnp.full(3, -1))
    got = np.asarray(
        block_distances(queries, make_candidates(features, groups, jnp.ones(30, bool)))
    )
    assert (np.diagonal(got) < 1e-5).all()


def test_nearest_first(rng):
    features, groups, pool = setting(rng)
    queries, items = (
        Queries(features, groups, jnp.arange(30)),
        make_candidates(features, groups, pool),
    )
    distances = np.asarray(block_distances(queries, items))
    rows = np.asarray(nearest(queries, items, 4))
    got = np.take_along_axis(distances, rows, axis=1)
    np.testing.assert_array_equal(got, np.sort(distances, axis=1)[:, :4])
