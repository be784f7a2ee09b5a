"""The judge of smoothed values: right ones pass, a wrong neighbour doesn't."""

import numpy as np
import pytest
from exactness import illegal

from jax_dns import smooth, smooth_queries

N, K = 200, 7


@pytest.fixture
def sounds(rng):
    return rng.normal(size=N).astype(np.float32), rng.normal(size=(N, 8)).astype(np.float32)


def test_right_values_pass(sounds):
    assert illegal(np.arange(N), np.asarray(smooth(*sounds, K)), *sounds, K) == 0


def test_right_values_of_new_items_pass(rng, sounds):
    new = rng.normal(size=5).astype(np.float32), rng.normal(size=(5, 8)).astype(np.float32)
    got = np.asarray(smooth_queries(*new, *sounds, K))
    assert illegal(np.arange(5), got, *sounds, K, new) == 0
    assert illegal(np.arange(5), got + 0.01, *sounds, K, new) == 5


def test_another_k_is_not_legal(sounds):
    got = np.asarray(smooth(*sounds, K + 1))
    assert illegal(np.arange(N), got, *sounds, K) > 0.95 * N


def test_either_of_two_at_the_same_distance_is_legal():
    features = np.array([[0.0], [1.0], [-1.0]], np.float32)
    scores = np.array([0.0, 2.0, 4.0], np.float32)
    for legal in (1.0, 2.0):
        assert illegal(np.array([0]), np.array([legal]), scores, features, 2) == 0
    assert illegal(np.array([0]), np.array([4.0]), scores, features, 2) == 1
