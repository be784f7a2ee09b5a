"""The paper's tables as data."""

import pytest
from paper import published

from jax_dns.evaluation.metrics import harmonic_mean
from jax_dns.evaluation.tables import ALL


@pytest.mark.parametrize(
    ("method", "expected"),
    [("SerialOE", 64.72), ("AE", 56.38), ("Proposed", 63.52), ("Proposed (Oracle)", 69.89)],
)
def test_all_hmean_is_that_of_the_machine_types(method, expected):
    row = published.TABLE_TWO[method]
    assert harmonic_mean(row[m] for m in published.MACHINES) == pytest.approx(expected, abs=0.01)
    assert row[ALL] == expected


def test_every_cell_is_there():
    assert list(published.TABLE_TWO) == ["SerialOE", "AE", "Proposed", "Proposed (Oracle)"]
    assert tuple(published.TABLE_ONE) == published.MACHINES
    settings = [s for row in published.TABLE_ONE.values() for s in row.values()]
    assert len(settings) == 21
    assert {s.data for s in settings} == {"source", "all"}
    assert all(s.value & (s.value - 1) == 0 for s in settings)  # powers of two


def test_the_texts_own_statements_hold():
    """Sec. IV.B, to the rounding of the text."""
    two = published.TABLE_TWO
    gain = {m: two["Proposed"][m] - two["AE"][m] for m in (*published.MACHINES, ALL)}
    assert round(gain[ALL]) == 7
    assert {m for m in published.MACHINES if gain[m] < 0} == {"ToyCar", "ToyTrain"}
    assert {m for m in published.MACHINES if gain[m] > 13} == {"fan", "pump", "slider"}
    assert round(two["Proposed (Oracle)"]["valve"] - two["AE"]["valve"]) == 22
    assert two["SerialOE"][published.TOYCAR_5] < 50


def test_looking_up():
    assert published.setting("Proposed", "ToyCar") == (128, "source")
    assert published.setting("Proposed", published.TOYCAR_5) == (128, "source")
    assert published.setting("Proposed (Oracle)", published.TOYCAR_5) == (128, "all")
    assert published.setting("Proposed", "uav") is None and published.setting("AE", "fan") is None
    assert published.result("AE", "fan") == pytest.approx(0.5711)
    assert published.result("AE", ALL) == pytest.approx(0.5638)
    assert published.result("AE", ALL, ["fan", "pump"]) == pytest.approx(0.558791, abs=1e-6)
    assert published.result("AE", ALL, ["fan", "uav"]) is None
    assert published.result("AE", "uav") is None
