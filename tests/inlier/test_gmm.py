"""The Gaussian mixture against scikit-learn."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from jax_dns.errors import InputError
from jax_dns.inlier.gmm import fit_mixture, from_sklearn, gmm, negative_log_likelihood
from jax_dns.types import Facts


def agree(got, model, x):
    """Within 1e-5 of the value, or of a mean value where the log-likelihood crosses zero."""
    expected = -model.score_samples(x.astype(np.float64))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).mean())


@pytest.mark.parametrize("offset", [0.0, 30.0])
@pytest.mark.parametrize("components", [1, 3, 8])
def test_equals_scikit_learn(rng, components, offset):
    """Narrow clusters far from the origin, where x P - mu P would lose all its digits."""
    centres = 5 * rng.normal(size=(4, 16)) + offset
    spread = rng.normal(size=(16, 16)) * np.logspace(-2, 0, 16)
    x = (centres[rng.integers(0, 4, 500)] + rng.normal(size=(500, 16)) @ spread).astype(np.float32)
    model = GaussianMixture(components, random_state=0).fit(x.astype(np.float64))
    agree(negative_log_likelihood(from_sklearn(model), x), model, x)


def test_fit_is_scikit_learns_and_follows_the_seed(rng):
    x = rng.normal(size=(80, 5)).astype(np.float32)
    model = GaussianMixture(4, reg_covar=1e-3, random_state=7).fit(x.astype(np.float64))
    got = fit_mixture(x, 4, seed=7, reg_covar=1e-3)
    for a, b in zip(got, from_sklearn(model)):
        np.testing.assert_array_equal(a, b)


def test_far_is_more_anomalous(rng):
    x = rng.normal(size=(200, 8)).astype(np.float32)
    scores = negative_log_likelihood(fit_mixture(x, 2), np.stack([x[0], x[0] + 20]))
    assert scores[1] > scores[0] + 100


def test_real_features(shared):
    with np.load(shared / "mimii_fan_features.npz") as file:
        x = file["X"][(file["anomaly"] == 0) & (file["snr_db"] == 6)][:600, :40]
    x = ((x - x.mean(0)) / (x.std(0) + 1e-9)).astype(np.float32)
    model = GaussianMixture(4, reg_covar=1e-6, random_state=0).fit(x.astype(np.float64))
    agree(negative_log_likelihood(from_sklearn(model), x), model, x)


def test_constant_features_are_survived():
    """A singular covariance is what the regularisation is for."""
    x = np.ones((10, 3), np.float32)
    assert np.isfinite(negative_log_likelihood(fit_mixture(x, 1), x)).all()


def test_too_few_segments_and_bad_values():
    with pytest.raises(InputError, match="3 segments, expected at least 4"):
        fit_mixture(np.ones((3, 2), np.float32), 4)
    with pytest.raises(InputError, match="aren't finite"):
        fit_mixture(np.full((3, 2), np.nan, np.float32), 1)


def test_the_component_is_the_mixture_in_each_setting(rng):
    x = rng.normal(size=(60, 4)).astype(np.float32)
    model = gmm(Facts(16_000, 1, 1), n_components=(1, 4), reg_covar=1e-4)
    assert model.settings == (1, 4) and [model.fewest(n) for n in model.settings] == [1, 4]
    variables = model.fit(x, np.zeros(60, bool), 4, 3)
    expected = negative_log_likelihood(fit_mixture(x, 4, seed=3, reg_covar=1e-4), x)
    np.testing.assert_array_equal(model.apply(variables, x), expected)
    with pytest.raises(InputError, match=r"n_components: .*whole numbers"):
        gmm(Facts(16_000, 1, 1), n_components=(0,))
