"""Nearest candidates on the host, against a float64 loop."""

import numpy as np
import pytest

from jax_dns.smoothing.host.nearest_on_host import nearest_on_host
from jax_dns.smoothing.validation import validate_inputs


def search(features, count, *, groups=None, pool=None):
    return nearest_on_host(
        validate_inputs(
            np.zeros(len(features)), features, (1,), groups=groups, pool=pool, metric="euclidean"
        ),
        count,
    )


@pytest.mark.parametrize("offset", [0, 1e3])
def test_numbers_and_distances_are_the_loops(rng, offset):
    """Far from the origin too, where squared norms lose the distances' digits."""
    features = (rng.normal(size=(80, 4)) + offset).astype(np.float32)
    groups, pool = rng.integers(0, 2, 80), rng.random(80) < 0.8
    indices, squared = search(features, 6, groups=groups, pool=pool)
    wide = features.astype(np.float64)
    for i in range(80):
        others = np.flatnonzero((groups == groups[i]) & pool & (np.arange(80) != i))
        distance = ((wide[others] - wide[i]) ** 2).sum(1)
        order = np.lexsort((others, distance))[:6]
        np.testing.assert_array_equal(indices[i], others[order])
        np.testing.assert_allclose(squared[i], distance[order], rtol=1e-9)


def test_equally_near_ones_come_by_number():
    features = np.array([[0.0], [1], [-1], [1], [-1], [2]], np.float32)
    indices, squared = search(features, 5)
    assert indices[0].tolist() == [1, 2, 3, 4, 5]
    assert squared[0].tolist() == [1, 1, 1, 1, 4]
