"""Scores in a range where float32 sums keep their digits."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jax_dns.smoothing.score_scale import fit_score_scale, scale_scores, unscale_scores

finite = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)


@given(st.lists(finite, min_size=1, max_size=9))
def test_scaled_scores_are_finite_in_float32_and_come_back(values):
    scores = np.asarray(values)
    scale = fit_score_scale(scores)
    scaled = scale_scores(scores, scale)
    assert np.isfinite(scaled.astype(np.float32).sum() * 2**40)
    tolerance = 1e-15 * np.abs(scores).max()
    np.testing.assert_allclose(unscale_scores(scaled, scale), scores, rtol=0, atol=tolerance)


def test_scores_close_together_keep_their_digits():
    scores = 1e8 + np.arange(4.0)
    scale = fit_score_scale(scores[:2], scores[2:])
    scaled = scale_scores(scores, scale).astype(np.float32)
    np.testing.assert_array_equal(unscale_scores(scaled.astype(float), scale), scores)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_scores_around_zero_are_only_scaled(kind):
    scores = kind(np.float32([-1.0, 3e-9, 2.5]))
    scale = fit_score_scale(scores)
    assert scale.shift == 0
    np.testing.assert_array_equal(unscale_scores(scale_scores(scores, scale), scale), scores)
