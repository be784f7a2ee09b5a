"""The shrunk Mahalanobis distance against scikit-learn."""

import numpy as np
from sklearn.covariance import LedoitWolf

from jax_dns.inlier.mahalanobis import mahalanobis
from jax_dns.types import Facts

MODEL = mahalanobis(Facts(16_000, 64_000, n_sections=1))


def test_equals_scikit_learn_with_fewer_segments_than_dimensions(rng):
    for n in (200, 9):
        features = (3 + rng.normal(size=(n, 16)) * np.logspace(-2, 0, 16)).astype(np.float32)
        test = features[:5] + rng.normal(size=(5, 16)).astype(np.float32)
        expected = LedoitWolf().fit(features.astype(np.float64)).mahalanobis(test)
        got = MODEL.apply(MODEL.fit(features, np.zeros(n, bool), 0, 0), test)
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_constant_features_give_finite_scores():
    features = np.ones((8, 3), np.float32)
    scores = MODEL.apply(MODEL.fit(features, np.zeros(8, bool), 0, 0), features + 1)
    assert np.isfinite(scores).all()
