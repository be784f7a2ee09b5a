"""Neighbour lists against loops in float64, where float32 has no digits left too."""

import numpy as np
import pytest

from jax_dns.monitor import neighbor_lists
from jax_dns.monitor.neighbor_lists import approximate_distances, exact_distances, search


def by_hand(features, queries, candidate, width):
    x = features.astype(np.float64)
    lists = []
    for i in queries:
        near = sorted((((x[i] - x[j]) ** 2).sum(), j) for j in np.flatnonzero(candidate) if j != i)
        lists.append([j for _, j in near[:width]])
    return lists


@pytest.mark.parametrize("scale, offset", [(1, 0), (1, 1e4), (1e-30, 0), (1e30, 0), (0, 3)])
def test_search_equals_a_loop(rng, monkeypatch, scale, offset):
    monkeypatch.setattr(neighbor_lists, "BLOCK_ROWS", 16)  # several blocks
    features = (offset + scale * rng.normal(size=(50, 4))).astype(np.float32)
    features[7] = features[30]
    candidate = rng.random(50) < 0.8
    queries = np.asarray([0, 7, 30, 49])
    lists = search(queries, features, candidate, np.zeros(4, np.float32), 5)
    assert lists.rows.tolist() == by_hand(features, queries, candidate, 5)
    np.testing.assert_array_equal(lists.bound, lists.distances[:, -1])


def test_a_list_without_enough_candidates_is_padded(rng):
    features = rng.normal(size=(4, 3)).astype(np.float32)
    lists = search(np.asarray([1]), features, np.ones(4, bool), np.zeros(3, np.float32), 5)
    assert (lists.rows[0, 3:] == -1).all() and np.isinf(lists.distances[0, 3:]).all()
    assert np.isinf(lists.bound[0])


@pytest.mark.parametrize("offset", [0, 100])
def test_bounds_hold_the_distance(rng, offset):
    x = (offset + rng.normal(size=(300, 64))).astype(np.float32)
    lower, upper = approximate_distances(x[:9], x, np.zeros(64, np.float32))
    exact = ((x[:9, None].astype(np.float64) - x[None]) ** 2).sum(-1)
    assert (lower <= exact).all() and (exact <= upper).all()
    if not offset:  # and they are narrow: few pairs are left for float64
        assert (upper - lower).max() < 0.02 * exact[exact > 0].min()


def test_exact_distances_are_the_same_from_either_side(rng, monkeypatch):
    x = rng.normal(size=(40, 33)).astype(np.float32)
    one = np.asarray([exact_distances(x[[i]], x[0])[0] for i in range(40)])
    other = np.asarray([exact_distances(x[[0]], x[i])[0] for i in range(40)])
    np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(neighbor_lists, "EXACT_VALUES", 100)
    np.testing.assert_array_equal(exact_distances(x, x[0]), one)
