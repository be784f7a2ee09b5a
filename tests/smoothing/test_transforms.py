"""Transforms of scores."""

import numpy as np
import pytest
from scipy.stats import norm

from jax_dns.errors import InputError
from jax_dns.smoothing.transforms import transform_scores

SCORES = np.asarray([3, 1, 2, 2, 100, 7], np.float32)
GROUPS = np.asarray([0, 0, 0, 0, 1, 1])
RANKS = np.asarray([3.5, 0.5, 2, 2, 1.5, 0.5]) / [4, 4, 4, 4, 2, 2]  # ties share the mean rank


def test_values():
    assert transform_scores(SCORES, GROUPS, "none") is SCORES
    np.testing.assert_allclose(transform_scores(SCORES, GROUPS, "rank"), RANKS)
    got = transform_scores(SCORES, GROUPS, "gaussian")
    np.testing.assert_allclose(got, norm.ppf(RANKS), rtol=1e-6)
    assert got.dtype == np.float32
    np.testing.assert_allclose(transform_scores(SCORES, GROUPS, "log"), np.log(SCORES))


def test_refusals():
    with pytest.raises(InputError, match=r"'log', expected scores above 0, .* row 1 is -1"):
        transform_scores(np.asarray([1, -1], np.float32), GROUPS[:2], "log")
    with pytest.raises(InputError, match="'sqrt', expected none or rank"):
        transform_scores(SCORES, GROUPS, "sqrt")
