"""Neighbourhoods, against scikit-learn and the smoothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import jax_dns
from jax_dns import neighbors, smooth
from jax_dns.smoothing import memory_estimate
from jax_dns.smoothing.host import block_distances


def problem(rng, n, d=8):
    centres = rng.normal(size=(5, d))
    return (centres[rng.integers(0, 5, n)] + 0.5 * rng.normal(size=(n, d))).astype(np.float32)


@pytest.fixture(params=["host", "device"])
def route(request, monkeypatch):
    monkeypatch.setattr("jax_dns.smoothing.routes.is_for_host", lambda _: request.param == "host")


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_equals_scikit_learn(rng, route, metric):
    """In float64, so that scikit-learn's own rounding changes no order; in groups and pools."""
    features, groups, pool = problem(rng, 400), rng.integers(0, 2, 400), rng.random(400) < 0.7
    indices, distances = neighbors(features, 12, groups=groups, pool=pool, metric=metric)
    assert indices.shape == distances.shape == (400, 12)
    assert (indices.dtype, distances.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(indices[:, 0], np.arange(400))
    assert not distances[:, 0].any()
    for group in (0, 1):
        rows, candidates = np.flatnonzero(groups == group), np.flatnonzero((groups == group) & pool)
        search = NearestNeighbors(metric=metric, algorithm="brute")
        search.fit(features[candidates].astype(np.float64))
        expected, numbers = search.kneighbors(features[rows].astype(np.float64), 12)
        for row, d, i in zip(rows, expected, candidates[numbers]):
            others = i != row
            np.testing.assert_array_equal(indices[row, 1:], i[others][:11])
            np.testing.assert_allclose(distances[row, 1:], d[others][:11], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("k", [2, 40, 1_500])
def test_with_and_without_a_limit_of_the_candidates(rng, monkeypatch, k):
    monkeypatch.setattr(block_distances, "MIN_FILTERED", 2**10)
    features = problem(rng, 1_500)
    assert block_distances.is_filtered(1_500, k - 1) == (k < 100)
    indices, distances = neighbors(features, k)
    exact = ((features[:, None].astype(np.float64) - features[::100]) ** 2).sum(2).T
    exact[np.arange(15), np.arange(0, 1_500, 100)] = -1
    order = np.argsort(exact, axis=1)[:, :k]
    np.testing.assert_array_equal(indices[::100], order)
    expected = np.sqrt(np.maximum(np.take_along_axis(exact, order, axis=1), 0))
    np.testing.assert_allclose(distances[::100], expected, rtol=1e-6)


def test_equally_near_items_come_in_the_order_of_their_numbers(rng, route):
    """Duplicates at distance 0, and duplicates elsewhere."""
    features = rng.normal(size=(6, 5)).astype(np.float32)[rng.integers(0, 6, 90)]
    indices, distances = neighbors(features, 60)
    exact = ((features[:, None].astype(np.float64) - features) ** 2).sum(2)
    exact[np.arange(90), np.arange(90)] = -1
    np.testing.assert_array_equal(
        indices, np.argsort(exact.round(9), axis=1, kind="stable")[:, :60]
    )
    duplicates = np.take_along_axis(exact, indices, axis=1) <= 0
    assert np.array_equal(distances <= 1e-3, duplicates)


def test_near_duplicates_keep_the_digits_of_their_distance(rng):
    features = np.repeat(rng.normal(size=(300, 4)), 2, axis=0) + 100
    features[1::2, 0] += 1e-4
    indices, distances = neighbors(features, 2)
    np.testing.assert_array_equal(indices[:, 1], np.arange(600) ^ 1)
    exact = np.abs(features.astype(np.float32).astype(float)[:, 0] - features[indices[:, 1], 0])
    np.testing.assert_allclose(distances[:, 1], exact, rtol=0.1)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_any_scale(rng, route, scale):
    features = problem(rng, 60)
    expected = neighbors(features, 9)
    got = neighbors(features * np.float32(scale), 9)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_allclose(got[1], expected[1] * scale, rtol=1e-4)


def test_smoothing_averages_over_them(rng):
    features, scores = problem(rng, 500), rng.normal(size=500)
    pool = rng.random(500) < 0.5
    indices, _ = neighbors(features, 20, pool=pool)
    expected = smooth(scores, features, 20, pool=pool)
    np.testing.assert_allclose(scores[indices].mean(1), expected, rtol=1e-6, atol=1e-6)


def test_kinds_of_arrays(rng):
    features = rng.integers(0, 50, (30, 3))
    indices, distances = neighbors(features, 4)
    assert isinstance(indices, np.ndarray) and distances.dtype == np.float64
    for kind in (lambda x: x.tolist(), jnp.asarray, lambda x: x.astype(np.float16)):
        got = neighbors(kind(features), 4)
        assert isinstance(got[0], jax.Array) == (kind is jnp.asarray)
        np.testing.assert_array_equal(got[0], indices)
        np.testing.assert_allclose(got[1], distances, rtol=1e-3)
    assert "neighbors" in jax_dns.__all__


def test_k_1_is_the_item_itself(rng):
    indices, distances = neighbors(problem(rng, 5), 1, pool=np.zeros(5, bool))
    np.testing.assert_array_equal(indices, np.arange(5)[:, None])
    assert not distances.any()


def test_what_is_refused(rng, monkeypatch):
    features = problem(rng, 5)
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="k: 3 neighbours of 5"):
        patch.setattr(memory_estimate, "UNCHECKED_BYTES", 0)
        patch.setattr(memory_estimate, "available", lambda: 400)
        neighbors(features, 3)
    for arguments, message in (
        ((features, 6), "k: 6, expected at most 5: item 0 has 4 candidates"),
        ((features[0], 2), "features: shape .* expected 2 dimensions"),
        ((features[:0], 2), "features: shape .* expected at least one row"),
        ((3.0, 2), "features: shape .* expected 2 dimensions"),
    ):
        with pytest.raises(ValueError, match=message):
            neighbors(*arguments)
    with pytest.raises(ValueError, match="neighbors: traced arguments, expected concrete"):
        jax.jit(lambda x: neighbors(x, 2))(features)
