"""The shop around a machine has the levels, rates and spectra that its figures state."""

import numpy as np
import pytest
from scipy.stats import kurtosis

from jax_dns.datasets import surroundings
from jax_dns.datasets.machine_types import MACHINES, Point
from jax_dns.datasets.surroundings import (
    diffuse_tail,
    hammering,
    neighbors_of,
    running,
    shop_noise,
    steady_background,
)

RATE = 16_000


def test_other_machines_are_those_of_the_section():
    sections = [neighbors_of("fan", section, 0) for section in range(60)]
    assert sections[3] == neighbors_of("fan", 3, 0) != neighbors_of("fan", 3, 1)
    others = [other for section in sections for other in section]
    assert {other.machine for other in others} == MACHINES.keys() - {"fan"}
    levels = np.array([other.level for other in others])
    assert levels.max() == 6 and abs(np.median(levels) + 8) < 2
    assert 7 < np.diff(np.percentile(levels, [16, 50]))[0] < 11  # a deviation below the median
    periods = np.array([other.period for other in others])
    assert 3 <= periods.min() < 5 and 40 < periods.max() <= 60


def test_times_on_and_off(rng):
    gate = running(rng, 4000 * 100, 100, on=2.0, off=6.0, ramp=0.0)
    assert set(np.unique(gate)) == {0, 1}
    assert abs(gate.mean() - 0.25) < 0.04
    starts = int((np.diff(gate) > 0).sum())
    assert abs(starts / 4000 - 1 / 8) < 0.02


def test_machines_run_up_and_down_over_the_ramp(rng):
    gate = running(rng, 400 * 100, 100, on=5.0, off=5.0, ramp=0.5)
    steps = np.abs(np.diff(gate))
    assert 0.01 < steps.max() <= 0.0201 + 1e-9  # 0.5 s at 100 Hz
    np.testing.assert_allclose([gate.min(), gate.max()], [0, 1], atol=1e-9)


def test_hammering_has_the_share_the_level_and_the_spectrum_stated():
    n = 11 * RATE
    bouts = [hammering(np.random.default_rng(i), n, RATE) for i in range(60)]
    envelopes = np.array([[np.std(x[i : i + RATE]) for i in range(0, n, RATE)] for x in bouts])
    assert abs((envelopes > 0).mean() - 0.2) < 0.08  # seconds with some of it
    full = [x for x, seconds in zip(bouts, envelopes) if (seconds > 0).mean() > 0.8]
    assert len(full) >= 2
    for x in full:
        assert -15 < 10 * np.log10(np.mean(x**2)) < -3  # -13 to -5 dB
        assert 3 < kurtosis(x) < 100  # coin blanking to barrel recycling, without other noise
        power = np.abs(np.fft.rfft(x)) ** 2
        f = np.fft.rfftfreq(n, 1 / RATE)
        assert power[f < 2100].sum() > 0.9 * power.sum()


def test_the_shop_is_its_parts_through_the_room(monkeypatch):
    """One other machine, always on, without hammering: its level, at the room's far end."""
    n = 4 * RATE
    other = surroundings.Neighbor("gearbox", 7, -3.0, 10.0)
    monkeypatch.setattr(surroundings, "neighbors_of", lambda *_: [other])
    monkeypatch.setattr(surroundings, "hammering", lambda rng, n, rate: np.zeros(n))
    monkeypatch.setattr(surroundings, "running", lambda rng, n, rate, **_: np.ones(n))
    levels = [
        10 * np.log10(np.var(shop_noise("fan", 0, 0, np.random.default_rng(i), n, RATE)))
        for i in range(12)
    ]
    # A gear's few tones meet the room's peaks and notches; the load varies by 4 dB.
    assert abs(np.mean(levels) + 3) < 4 and np.std(levels) > 1


def test_a_rooms_tail_has_unit_energy_and_decays():
    n = 2 * RATE
    response = np.fft.irfft(diffuse_tail("fan", 1, 0, n, RATE), n)
    np.testing.assert_allclose((response**2).sum(), 1, rtol=1e-4)
    early, late = (response[a : a + 1600] @ response[a : a + 1600] for a in (0, 3200))
    assert early > 4 * late


@pytest.mark.parametrize("slope", [-3.0, -6.0])
def test_the_steady_background_has_its_slope(slope):
    point = Point(1.0, 0.0, 0.0, slope, clanks=0.0)
    x = steady_background(point, np.random.default_rng(0), 20 * RATE, RATE)
    power, f = np.abs(np.fft.rfft(x)) ** 2, np.fft.rfftfreq(20 * RATE, 1 / RATE)
    density = [power[(f > a) & (f < 1.1 * a)].mean() for a in (510, 4080)]
    assert abs(10 * np.log10(density[1] / density[0]) / 3 - slope) < 0.5  # three octaves
