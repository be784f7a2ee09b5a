"""The distance to k-means centres against scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from jax_dns.errors import InputError
from jax_dns.inlier.kmeans import kmeans
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


def data(rng):
    features = rng.normal(size=(50, 4)).astype(np.float32)
    return features, np.arange(50) >= 47, rng.normal(size=(9, 4)).astype(np.float32)


def test_equals_scikit_learns_transform(rng):
    features, is_target, test = data(rng)
    model = kmeans(FACTS, metric="euclidean", keep_target=False)
    theirs = KMeans(5, n_init=3, random_state=2).fit(features)
    got = model.apply(model.fit(features, is_target, 5, 2), test)
    np.testing.assert_allclose(got, theirs.transform(test).min(1), rtol=1e-5)


def test_cosine_to_centres_and_target_features(rng):
    """The score of ref. [12]: 1 less the largest cosine to the centres and the target features."""
    features, is_target, test = data(rng)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    centers = KMeans(3, n_init=3, random_state=0).fit(unit).cluster_centers_
    bank = np.concatenate([centers, features[is_target]])
    cosines = test @ bank.T / np.linalg.norm(test, axis=1)[:, None] / np.linalg.norm(bank, axis=1)
    model = kmeans(FACTS)
    got = model.apply(model.fit(features, is_target, 3, 0), test)
    np.testing.assert_allclose(got, 1 - cosines.max(1), rtol=1e-4, atol=1e-6)


def test_fewer_distinct_features_than_centres():
    features = np.ones((6, 3), np.float32)
    model = kmeans(FACTS)
    scores = model.apply(model.fit(features, np.zeros(6, bool), 4, 0), features)
    np.testing.assert_allclose(scores, 0, atol=1e-6)
    with pytest.raises(InputError, match="n_clusters"):
        kmeans(FACTS, n_clusters=(0,))
