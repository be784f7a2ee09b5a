"""Diffusion against a dense solve."""

import numpy as np
import pytest

from jax_dns import smooth
from jax_dns.errors import InputError
from jax_dns.smoothing.diffusion import diffusion
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


def test_equals_a_dense_solve(rng):
    n, k, alpha = 60, 5, 0.9
    x, scores = rng.normal(size=(n, 3)).astype(np.float32), rng.random(n).astype(np.float32)
    groups, pool = np.arange(n) % 2, rng.random(n) < 0.7
    rule = diffusion(FACTS, ks=(1, k, 64), alpha=alpha)
    got = rule.smooth(scores, x, groups=groups, pool=pool, clip=np.arange(n))
    assert list(got) == [1, k]
    np.testing.assert_array_equal(got[1], scores)
    mean = np.zeros((n, n))
    for i in range(n):
        rows = np.flatnonzero(pool & (groups == groups[i]) & (np.arange(n) != i))
        nearest = rows[np.argsort(np.linalg.norm(x[rows] - x[i], axis=1))[: k - 1]]
        mean[i, nearest] = 1 / (k - 1)
    expected = np.linalg.solve(np.eye(n) - alpha * mean, (1 - alpha) * scores)
    np.testing.assert_allclose(got[k], expected, rtol=1e-5)


def test_equal_scores_stay_and_no_diffusion_changes_nothing(rng):
    x, scores = rng.normal(size=(20, 3)).astype(np.float32), rng.random(20).astype(np.float32)
    arrays = dict(groups=np.zeros(20, int), pool=np.ones(20, bool), clip=np.arange(20))
    ones = np.ones(20, np.float32)
    np.testing.assert_allclose(diffusion(FACTS).smooth(ones, x, **arrays)[8], 1, rtol=1e-6)
    same = diffusion(FACTS, ks=(4,), alpha=0.0).smooth(scores, x, **arrays)[4]
    np.testing.assert_allclose(same, scores, rtol=1e-6)
    # One short step is nearly Eq. 7's weighted mean: f = (1 - alpha) a + alpha (mean of a).
    small = diffusion(FACTS, ks=(4,), alpha=1e-3).smooth(scores, x, **arrays)[4]
    neighbors = (4 * smooth(scores, x, 4) - scores) / 3
    np.testing.assert_allclose(small, 0.999 * scores + 0.001 * neighbors, atol=1e-5)
    with pytest.raises(InputError, match="alpha: 1"):
        diffusion(FACTS, alpha=1.0)
