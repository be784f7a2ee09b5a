"""Durations and numbers of things in words."""

import pytest

from jax_dns.wording import counted, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("n", "text"), [(0, "0 clips"), (1, "1 clip"), (2, "2 clips")])
def test_numbers_of_things(n, text):
    assert counted(n, "clip") == text
