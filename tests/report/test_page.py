"""A clip's card, and the page made of a report's parts."""

import pytest

from jax_dns.report import page
from jax_dns.report.page import ClipCard


def card(label, before, after, n=11):
    return ClipCard("clip.wav", 0, "source", label, (0.1, 0.2), (before, after), n)


@pytest.mark.parametrize(
    "label,before,after,verdict",
    [
        ("anomaly", 5, 2, "towards its label"),
        ("anomaly", 2, 5, "away from its label"),
        ("normal", 2, 5, "towards its label"),
        ("normal", 5, 2, "away from its label"),
        ("normal", 3, 3, ""),
        ("unknown", 5, 2, ""),
    ],
)
def test_verdict_compares_the_move_with_the_label(label, before, after, verdict):
    assert card(label, before, after).verdict == verdict


def test_place_runs_from_least_to_most_anomalous():
    assert [card("normal", 1, 1).place(rank) for rank in (11, 6, 1)] == [0, 50, 100]
    assert card("normal", 1, 1, n=1).place(1) == 0  # alone in its section


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert page.missing_packages() == ["matplotlib", "jinja2"]
