"""Weighted means against a loop, and against Eq. 7 where all weights are one."""

import numpy as np
import pytest

from jax_dns import smooth_grid
from jax_dns.errors import InputError
from jax_dns.smoothing.weighted import weighted
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


def data(rng, n=60):
    x, scores = rng.normal(size=(n, 4)).astype(np.float32), rng.random(n).astype(np.float32)
    arrays = dict(groups=np.arange(n) % 2, pool=rng.random(n) < 0.7, clip=np.arange(n))
    return scores, x, arrays


@pytest.mark.parametrize("weights", ["gaussian", "inverse", "rank"])
def test_equals_a_loop(rng, weights):
    scores, x, arrays = data(rng)
    rule = weighted(FACTS, ks=(1, 5, 512), weights=weights, bandwidth=0.5)
    smoothed = rule.smooth(scores, x, **arrays)
    assert list(smoothed) == [1, 5]
    np.testing.assert_array_equal(smoothed[1], scores)
    for i in range(60):
        same = arrays["groups"] == arrays["groups"][i]
        rows = np.flatnonzero(arrays["pool"] & same & (np.arange(60) != i))
        d = np.linalg.norm(x[rows] - x[i], axis=1)
        order = np.argsort(d)[:4]
        h = 0.5 * d[order[-1]]
        w = {
            "gaussian": [np.exp(-(d[j] ** 2) / (2 * h**2)) for j in order],
            "inverse": [1 / (1 + d[j] / h) for j in order],
            "rank": [0.8, 0.6, 0.4, 0.2],
        }[weights]
        expected = (scores[i] + np.dot(w, scores[rows[order]])) / (1 + sum(w))
        np.testing.assert_allclose(smoothed[5][i], expected, rtol=1e-4)


def test_very_wide_weights_are_eq_7(rng):
    scores, x, arrays = data(rng)
    expected = smooth_grid(scores, x, (3, 8), groups=arrays["groups"], pool=arrays["pool"])
    for weights in ("gaussian", "inverse"):
        got = weighted(FACTS, ks=(3, 8), weights=weights, bandwidth=1e6).smooth(scores, x, **arrays)
        np.testing.assert_allclose(np.stack(list(got.values())), expected, rtol=1e-4)


def test_equal_features_have_equal_weights():
    scores, x = np.arange(4, dtype=np.float32), np.ones((4, 2), np.float32)
    arrays = dict(groups=np.zeros(4, int), pool=np.ones(4, bool), clip=np.arange(4))
    got = weighted(FACTS, ks=(4,)).smooth(scores, x, **arrays)
    np.testing.assert_allclose(got[4], 1.5)


def test_refusals():
    with pytest.raises(InputError, match="weights: 'flat', expected gaussian or inverse or rank"):
        weighted(FACTS, weights="flat")
    with pytest.raises(InputError, match="bandwidth"):
        weighted(FACTS, bandwidth=0.0)
