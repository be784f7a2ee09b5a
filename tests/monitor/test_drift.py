"""The two-sample test: valid without drift, sees a shift and a change of spread."""

import numpy as np
import pytest

from jax_dns.monitor import drift
from jax_dns.monitor.drift import drift_level, two_sample


def test_windows_without_drift_are_warned_of_as_rarely_as_set(rng):
    level = 0.1
    p = [two_sample(x[:30], x[30:], level=level).p for x in rng.normal(size=(300, 50, 3))]
    assert np.mean(np.asarray(p) <= level) < 0.16  # 3.5 standard errors above 0.1
    assert min(p) >= 1 / 11


@pytest.mark.parametrize("change", [lambda x: x + 1.5, lambda x: 4 * x])
def test_a_change_is_seen(rng, change, monkeypatch):
    reference, window = rng.normal(size=(40, 3)), change(rng.normal(size=(20, 3)))
    seen = two_sample(reference, window, level=1e-3)
    assert seen.p == pytest.approx(1 / 1001)
    monkeypatch.setattr(drift, "MEMORY", 7 * 60)
    again = two_sample(reference, window, level=1e-3)
    assert again.distance == seen.distance and again.p == seen.p


def test_the_statistic_by_hand(rng):
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(3, 2))
    both = np.concatenate([x, y])
    squared = ((both[:, None] - both[None]) ** 2).sum(-1)
    k = np.exp(-squared / np.median(squared[np.triu_indices(8, 1)]))
    expected = k[:5, :5].mean() + k[5:, 5:].mean() - 2 * k[:5, 5:].mean()
    assert two_sample(x, y, level=0.5).distance == pytest.approx(expected)


def test_level_of_a_rate():
    assert drift_level(30.0, 1440.0, 50) == pytest.approx(50 / 43_200)
    assert drift_level(0.01, 100.0, 50) == 1
