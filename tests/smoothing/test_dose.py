"""Gaussian scores and the half dose, against a double loop."""

import numpy as np
import pytest
from scipy.stats import norm

from jax_dns.errors import InputError
from jax_dns.smoothing.dose import gaussianise, smooth_dose


def test_ranks_are_those_of_float64():
    scores = 1e6 + np.asarray([3e-6, 1e-6, 2e-6, 1e-6])
    np.testing.assert_allclose(gaussianise(scores), norm.ppf([0.875, 0.25, 0.625, 0.25]))


def test_the_half_dose_is_the_double_loops(rng):
    a, x = rng.normal(size=60), rng.normal(size=(60, 6)).astype(np.float32)
    groups = np.arange(60) % 2
    got = smooth_dose(a, x, 4, weight=0.3, groups=groups)
    for group in (0, 1):
        rows = np.flatnonzero(groups == group)
        g = gaussianise(a[rows])
        for i in range(len(rows)):
            distance = ((x[rows] - x[rows[i]]).astype(np.float64) ** 2).sum(1)
            near = [j for j in np.argsort(distance) if j != i][:3]
            assert got[rows[i]] == pytest.approx(0.3 * g[i] + 0.7 * g[near].mean(), abs=1e-6)


def test_settings_out_of_range_are_refused(rng):
    a, x = rng.normal(size=9), rng.normal(size=(9, 2)).astype(np.float32)
    with pytest.raises(InputError, match="weight: 2"):
        smooth_dose(a, x, weight=2.0)
    with pytest.raises(InputError, match="k: 1, expected 2"):
        smooth_dose(a, x, 1)
