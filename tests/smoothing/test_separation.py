"""Separation from known normals, against loops in NumPy."""

import numpy as np
import pytest

from jax_dns.smoothing import separation
from jax_dns.smoothing.separation import (
    WEIGHTS,
    choose,
    mix_candidates,
    mix_scores,
    permutation_p_value,
    separations,
    standardise,
)


def scaled(x):
    return (x - x.mean()) / (x.std() + 1e-12)


def test_candidates_are_weighted_means_without_the_item_itself(rng):
    g, smoothed, ks = rng.normal(size=9), rng.normal(size=(2, 9)), [2, 5]
    got = np.asarray(mix_candidates(g, smoothed, ks))
    expected = [scaled(g)]
    for k, row in zip(ks, smoothed):
        others = scaled((k * row - g) / (k - 1))
        expected += [w * scaled(g) + (1 - w) * others for w in WEIGHTS]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_mixtures_end_with_the_other_score_alone(rng):
    g, other = rng.normal(size=(2, 9))
    got = np.asarray(mix_scores(g, other))
    np.testing.assert_allclose(got[0], 0.75 * scaled(g) + 0.25 * scaled(other), atol=1e-5)
    np.testing.assert_allclose(got[-1], scaled(other), atol=1e-5)


def test_constant_rows_become_zero():
    assert not np.asarray(standardise(np.ones((2, 5)))).any()


def test_gain_and_error_are_those_of_a_double_loop(rng):
    """With ties between the two kinds of items."""
    c = rng.integers(0, 4, size=(3, 12)).astype(np.float32)
    gain, error = separations(c, n_unlabelled=7)

    def placements(row):
        u, r = row[:7], row[7:]
        below = np.array([[(b < a) + (b == a) / 2 for b in r] for a in u])
        return below.mean(1), below.mean(0)

    first_u, first_r = placements(c[0])
    for i, row in enumerate(c):
        of_u, of_r = placements(row)
        du, dr = of_u - first_u, of_r - first_r
        np.testing.assert_allclose(gain[i], du.mean(), atol=1e-6)
        np.testing.assert_allclose(error[i], np.sqrt(du.var() / 7 + dr.var() / 5), atol=1e-6)


@pytest.mark.parametrize(
    "gain,error,chosen",
    [
        ([0, 0.3, 0.4], [0, 0.1, 0.3], 1),  # the largest gain less one deviation
        ([0, 0.2, 0.4], [0, 0.1, 0.3], 0),  # none reaches the gate of 2.5
        ([0], [0], 0),
    ],
)
def test_the_gate_and_the_choice(gain, error, chosen):
    assert choose(np.array(gain, float), np.array(error, float))[0] == chosen


def test_p_value_is_small_where_neighbours_score_higher_and_not_otherwise(rng, monkeypatch):
    """Anomalies are a cluster of high scores; permuted scores have nothing to do with it."""
    features = rng.normal(size=(60, 3)).astype(np.float32)
    features[:15] += 8
    g = rng.normal(size=60)
    g[:15] += 2
    options = dict(ks=[4, 8], n_unlabelled=40)
    assert permutation_p_value(g, features, **options) == 1 / 40
    values = [permutation_p_value(rng.permutation(g), features, **options) for _ in range(20)]
    assert np.mean(values) > 0.3 and min(values) >= 1 / 40
    monkeypatch.setattr(separation, "PERMUTATIONS", 19)
    assert permutation_p_value(g, features, **options) == 1 / 20
