"""Local density normalisation against a NumPy loop."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from jax_dns.errors import InputError
from jax_dns.inlier.local_density import local_density
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


def distance(x, y):
    return (1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y)) / 2


@pytest.mark.parametrize("k", [2, 30])
def test_equals_a_loop(rng, k):
    """With K = 30 all others of the bank's 8 count."""
    features = rng.normal(size=(40, 4)).astype(np.float32)
    is_target, test = np.arange(40) >= 37, rng.normal(size=(7, 4)).astype(np.float32)
    source = features[~is_target] / np.linalg.norm(features[~is_target], axis=1, keepdims=True)
    centers = KMeans(5, n_init=3, random_state=1).fit(source).cluster_centers_
    bank = np.concatenate([centers, features[is_target]])
    spacing = [np.sort([distance(y, z) for z in bank])[1 : k + 1].mean() for y in bank]
    expected = [min(distance(x, y) / s for y, s in zip(bank, spacing)) for x in test]
    model = local_density(FACTS, n_clusters=5)
    got = model.apply(model.fit(features, is_target, k, 1), test)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_one_feature_or_equal_features_give_finite_scores(rng):
    model, test = local_density(FACTS), rng.normal(size=(4, 3)).astype(np.float32)
    for n in (1, 5):
        bank = model.fit(np.ones((n, 3), np.float32), np.arange(n) > 2, 4, 0)
        assert np.isfinite(model.apply(bank, test)).all()
    with pytest.raises(InputError, match="ks"):
        local_density(FACTS, ks=())
