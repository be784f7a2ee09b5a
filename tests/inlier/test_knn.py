"""k-NN against scikit-learn and NumPy."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from jax_dns.errors import InputError
from jax_dns.inlier.knn import knn, smote
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


def data(rng):
    features = rng.normal(size=(40, 5)).astype(np.float32)
    return features, np.arange(40) >= 34, rng.normal(size=(12, 5)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3])
def test_equals_scikit_learn_over_both_domains(rng, metric, k):
    features, is_target, test = data(rng)
    model = knn(FACTS, ks=(k,), metric=metric, per_domain=False)
    search = NearestNeighbors(n_neighbors=k, metric=metric).fit(features)
    expected = search.kneighbors(test)[0].mean(1)
    got = model.apply(model.fit(features, is_target, k, 0), test)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_the_smaller_distance_of_the_two_domains(rng):
    features, is_target, test = data(rng)
    model = knn(FACTS, ks=(2,), metric="euclidean")
    got = model.apply(model.fit(features, is_target, 2, 0), test)
    for x, score in zip(test, got):
        means = [
            np.sort(np.linalg.norm(part - x, axis=1))[:2].mean()
            for part in (features[~is_target], features[is_target])
        ]
        np.testing.assert_allclose(score, min(means), rtol=1e-5)


def test_one_domain_alone_and_fewer_features_than_k(rng):
    features, is_target, test = data(rng)
    model = knn(FACTS, ks=(9,), metric="euclidean")
    got = model.apply(model.fit(features[is_target], is_target[is_target], 9, 0), test)
    expected = np.linalg.norm(features[is_target] - test[:, None], axis=2).mean(1)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_smote_interpolates_towards_a_near_feature(rng):
    features = rng.normal(size=(6, 3)).astype(np.float32)
    new = smote(features, 50, n_neighbors=2, seed=1)
    np.testing.assert_array_equal(new, smote(features, 50, n_neighbors=2, seed=1))
    gaps = np.linalg.norm(features - features[:, None], axis=2)
    near = np.argsort(gaps, axis=1)[:, 1:3]
    pairs = [(i, j) for i in range(6) for j in near[i]]
    for x in new:  # on the line of one of the pairs, between its ends
        detours = [
            np.linalg.norm(x - features[i]) + np.linalg.norm(x - features[j]) - gaps[i, j]
            for i, j in pairs
        ]
        assert min(detours) < 1e-5
    assert len(np.unique(new, axis=0)) == 50


def test_smote_fills_the_target_domain_to_its_ratio(rng):
    features, is_target, _ = data(rng)
    banks = knn(FACTS, smote_ratio=0.5).fit(features, is_target, 1, 0)
    assert len(banks.source) == 34 and len(banks.target) == 17
    np.testing.assert_array_equal(banks.target[:6], features[is_target])
    assert len(knn(FACTS).fit(features, is_target, 1, 0).target) == 6


def test_fields_out_of_range():
    for fields, message in (
        ({"metric": "l1"}, "metric: 'l1', expected cosine or euclidean"),
        ({"ks": (0,)}, "ks"),
        ({"smote_ratio": -1.0}, "smote_ratio"),
    ):
        with pytest.raises(InputError, match=message):
            knn(FACTS, **fields)
