"""The physics of the synthetic factory's sound. No detector is run here."""

import numpy as np
import pytest

from jax_dns.datasets import clip_parts, machine_types
from jax_dns.datasets.clip_parts import Sound
from jax_dns.datasets.machine_types import FAULTS, MACHINES
from jax_dns.datasets.synthetic import clip

SOUND = dict(seed=3, seconds=10.0, sample_rate=16000, shift=1.0, snr_db=0.0)


def parts(machine, section=0, domain="source", label=0, index=0, **changed):
    return clip_parts.parts(
        machine, section, domain, label, index, "test", Sound(**{**SOUND, **changed})
    )


def with_fault(machine, kind, **changed):
    """The first anomaly of `kind`, as (index, parts)."""
    for index in range(40):
        found = parts(machine, label=1, index=index, **changed)
        if found.kind == kind:
            return index, found
    raise AssertionError(f"no {kind} among 40 anomalies of {machine}")


def decibel(ratio):
    return 20 * np.log10(ratio)


def forget(monkeypatch, field):
    """Makes the random streams of clips that differ in one field alone the same."""
    fields = ("stream", "seed", "machine", "section", "domain", "split", "label", "index")
    place, stream = fields.index(field), clip_parts.random_stream

    def forgetful(*key):
        return stream(*key[:place], None, *key[place + 1 :]) if len(key) == 8 else stream(*key)

    monkeypatch.setattr(clip_parts, "random_stream", forgetful)


# What the labels and the domains may differ in


@pytest.mark.parametrize("machine", MACHINES)
def test_the_label_acts_through_the_fault_alone(machine, monkeypatch):
    forget(monkeypatch, "label")
    normal, anomaly = (parts(machine, label=label, seconds=2.0) for label in (0, 1))
    assert normal.point == anomaly.point
    np.testing.assert_array_equal(normal.healthy, anomaly.healthy)
    np.testing.assert_array_equal(normal.noise, anomaly.noise)
    assert not normal.fault.any() and normal.kind == ""
    assert np.std(anomaly.fault) > 1e-3 * np.std(anomaly.healthy) and anomaly.kind in FAULTS


@pytest.mark.parametrize("machine", MACHINES)
def test_the_domain_acts_through_the_shift_alone(machine, monkeypatch):
    forget(monkeypatch, "domain")

    def pair(shift):
        both = ("source", "target")
        return [clip(machine, 1, d, 1, 0, "test", seconds=1.0, shift=shift) for d in both]

    np.testing.assert_array_equal(*pair(0.0))
    assert np.abs(np.subtract(*pair(1.0))).max() > 1e-3


# Levels


@pytest.mark.parametrize("machine", MACHINES)
def test_snr_is_what_was_asked_for(machine):
    asked, n = 6.0, 12
    found = [parts(machine, index=i, seconds=1.0, snr_db=asked) for i in range(n)]
    measured = [decibel(np.std(p.healthy) / np.std(p.noise)) for p in found]
    np.testing.assert_allclose(measured, [p.point.snr for p in found], atol=1e-3)
    assert abs(np.mean(measured) - asked) < 4 / np.sqrt(n)  # 1 dB of spread from clip to clip


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("snr_db", [-20.0, 60.0])
def test_one_gain_for_all_and_nothing_clips(machine, snr_db):
    sound = {**SOUND, "seconds": 1.0, "snr_db": snr_db, "shift": 2.0}
    gains = []
    for index in range(4):
        for label in (0, 1):
            got = clip(machine, 2, "target", label, index, "test", **sound)
            p = parts(machine, 2, "target", label, index, **sound)
            assert np.abs(got).max() < 0.9 and got.dtype == np.float32
            gains.append(np.std(got) / np.std(p.healthy + p.fault + p.noise))
    np.testing.assert_allclose(gains, gains[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("machine", "kind"),
    [
        ("fan", "bearing"),
        ("slider", "bearing"),
        ("ToyCar", "wheel"),
        ("pump", "leak"),
        ("valve", "leak"),
    ],
)
def test_fault_sizes_lie_in_the_stated_range(machine, kind):
    _, found = with_fault(machine, kind, seconds=4.0)
    low, high = FAULTS[kind]
    size = decibel(np.std(found.fault) / np.std(found.healthy))
    assert low - 2 < size < high + 2  # the room colours the two by less than 2 dB


# Spectra


def power(x, frequency, width, rate=16000):
    """Power of x within `width` of `frequency`, both Hz."""
    f = np.fft.rfftfreq(len(x), 1 / rate)
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
    return spectrum[np.abs(f - frequency) <= width].sum()


def envelope(x, low, high, rate=16000):
    spectrum = np.fft.fft(x)
    f = np.fft.fftfreq(len(x), 1 / rate)
    return np.abs(np.fft.ifft(np.where((f > low) & (f < high), 2 * spectrum, 0)))


@pytest.mark.parametrize("machine", ["fan", "pump", "gearbox"])
def test_a_damaged_outer_race_strikes_at_its_rate(machine):
    index, found = with_fault(machine, "bearing", snr_db=30.0)
    product = machine_types.product_of(machine, 0, SOUND["seed"])
    rate = 0.4 * product.balls * product.shaft * found.point.speed
    f = np.fft.rfftfreq(160000, 1 / 16000)
    near = (f > 0.7 * rate) & (f < 1.3 * rate)

    def peak(x):
        e = envelope(x, 2000, 7500)
        spectrum = np.abs(np.fft.rfft(e - e.mean()))[near]
        return f[near][spectrum.argmax()], spectrum.max() / np.median(spectrum)

    where, height = peak(clip(machine, 0, "source", 1, index, "test", **{**SOUND, "snr_db": 30.0}))
    assert abs(where / rate - 1) < 0.015  # slip and wander
    assert height > 3 * peak(found.healthy + found.noise)[1]


def test_gears_have_sidebands_at_the_shaft_rate_and_a_bad_tooth_more():
    _, found = with_fault("gearbox", "tooth")
    product = machine_types.product_of("gearbox", 0, SOUND["seed"])
    shaft = product.shaft * found.point.speed
    mesh = product.teeth * shaft

    def sideband(x, k):  # the driven gear has its own, at 0.3 to 0.6 of the shaft
        return sum(power(x, mesh + side * k * shaft, 0.1 * shaft) for side in (-1, 1))

    assert power(found.healthy, mesh, 3.0) > 30 * sideband(found.healthy, 1.5)
    assert sideband(found.healthy, 1) > 4 * sideband(found.healthy, 1.5)
    assert sideband(found.healthy + found.fault, 4) > 2 * sideband(found.healthy, 4)


@pytest.mark.parametrize("machine", ["fan", "pump"])
def test_blades_pass_at_the_speed_of_the_operating_point(machine):
    product = machine_types.product_of(machine, 0, SOUND["seed"])
    for domain in ("source", "target"):
        found = parts(machine, domain=domain)
        tone = product.teeth * product.shaft * found.point.speed
        assert power(found.healthy, tone, 3.0) > 3 * power(found.healthy, 0.9 * tone, 3.0)


def test_imbalance_raises_the_tone_of_the_rotation_rate():
    _, found = with_fault("fan", "imbalance")
    shaft = machine_types.product_of("fan", 0, SOUND["seed"]).shaft * found.point.speed
    rise = power(found.healthy + found.fault, shaft, 1.0) / power(found.healthy, shaft, 1.0)
    assert 6 < 10 * np.log10(rise) < 18  # 8 to 16 dB, and what the modulation adds


def test_a_missed_stroke_is_silent():
    _, found = with_fault("slider", "miss")

    def quietest(x):
        return np.sqrt(np.mean(x[: 10 * 16000].reshape(-1, 8000) ** 2, axis=1)).min()

    assert quietest(found.healthy + found.fault) < 0.3 * quietest(found.healthy)


def test_a_toy_train_strikes_the_rail_joints():
    found = parts("ToyTrain", snr_db=60.0)
    joints = machine_types.product_of("ToyTrain", 0, SOUND["seed"]).cycle * found.point.speed
    e = envelope(found.healthy, 400, 4000)
    spectrum = np.abs(np.fft.rfft(e - e.mean()))
    f = np.fft.rfftfreq(len(e), 1 / 16000)
    strongest = spectrum[np.abs(f - joints) < 0.15 * joints].max()
    assert strongest > 5 * np.median(spectrum[(f > 0.5) & (f < 20)])
