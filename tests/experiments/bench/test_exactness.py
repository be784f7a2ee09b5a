"""The judge of smoothed scores accepts exact values and no others."""

import numpy as np
import pytest
from exactness import count_inexact_rows

from jax_dns import smooth, smooth_queries

N, K = 200, 7


@pytest.fixture
def items(rng):
    return rng.normal(size=N).astype(np.float32), rng.normal(size=(N, 8)).astype(np.float32)


def test_smoothed_items_are_exact(items):
    assert count_inexact_rows(range(N), np.asarray(smooth(*items, K)), *items, K) == 0


def test_smoothed_queries_are_exact_and_wrong_ones_are_not(rng, items):
    queries = rng.normal(size=5).astype(np.float32), rng.normal(size=(5, 8)).astype(np.float32)
    smoothed = np.asarray(smooth_queries(*queries, *items, K))
    assert count_inexact_rows(range(5), smoothed, *items, K, queries) == 0
    assert count_inexact_rows(range(5), smoothed + 0.01, *items, K, queries) == 5


def test_another_k_is_inexact(items):
    smoothed = np.asarray(smooth(*items, K + 1))
    assert count_inexact_rows(range(N), smoothed, *items, K) > 0.95 * N


def test_either_of_two_tied_neighbours_is_exact():
    features = np.array([[0.0], [1.0], [-1.0]], np.float32)
    scores = np.array([0.0, 2.0, 4.0], np.float32)
    for smoothed in (1.0, 2.0):
        assert count_inexact_rows([0], np.array([smoothed]), scores, features, 2) == 0
    assert count_inexact_rows([0], np.array([4.0]), scores, features, 2) == 1
