"""The local outlier factor against scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import LocalOutlierFactor

from jax_dns.errors import InputError
from jax_dns.inlier.lof import lof
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [2, 7])
def test_equals_scikit_learn(rng, metric, k):
    features = rng.normal(size=(60, 6)).astype(np.float32)
    test = np.concatenate([features[:10] + 0.1, 4 * rng.normal(size=(10, 6))]).astype(np.float32)
    theirs = LocalOutlierFactor(k, metric=metric, novelty=True, algorithm="brute").fit(features)
    model = lof(FACTS, metric=metric)
    got = model.apply(model.fit(features, np.zeros(60, bool), k, 0), test)
    np.testing.assert_allclose(got, -theirs.score_samples(test), rtol=1e-4)


def test_equal_features_give_finite_scores():
    model, features = lof(FACTS), np.ones((8, 3), np.float32)
    assert model.fewest(4) == 5
    scores = model.apply(model.fit(features, np.zeros(8, bool), 4, 0), features + 1)
    assert np.isfinite(scores).all()


def test_fields_out_of_range():
    with pytest.raises(InputError, match="metric: 'l1'"):
        lof(FACTS, metric="l1")
