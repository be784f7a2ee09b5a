"""A monitor of unit features finds the neighbours that the cosine does."""

import contextlib

import numpy as np
import pytest
from monitor import toy_monitor as toy
from monitor.test_service import put

from jax_dns import smooth
from jax_dns.errors import InputError
from jax_dns.monitor import service
from jax_dns.monitor.unit_features import with_unit_features


def test_smoothed_scores_are_those_of_the_cosine(tmp_path):
    for number in range(12):
        put(tmp_path / "inbox", number)
    monitor = toy.open_toy(
        tmp_path / "inbox", tmp_path / "history", scorer=with_unit_features(toy.scorer())
    )
    with contextlib.closing(monitor.history) as history:
        service.run(monitor, lambda event: None, once=True)
        items = history.smoothed("fan", 0)
        known = monitor.sections["fan", 0].known
    raw = np.concatenate([toy.score(toy.noise(number), 0)[1] for number in range(12)])
    pool = items.evidence
    expected = smooth(items.score, raw, 4, pool=pool, metric="cosine")
    np.testing.assert_allclose(items.smoothed, expected, rtol=1e-5)
    assert np.abs(expected - smooth(items.score, raw, 4, pool=pool)).max() > 0.01
    np.testing.assert_allclose(np.linalg.norm(known.trained, axis=1), 1, rtol=1e-6)
    assert with_unit_features(toy.scorer()).model != toy.scorer().model


def test_features_without_a_direction_are_refused():
    zero = toy.scorer()._replace(score=lambda samples, section: (np.ones(1), np.zeros((1, 4))))
    with pytest.raises(InputError, match="fan: a feature of length 0"):
        with_unit_features(zero).score(toy.noise(0), 0)
