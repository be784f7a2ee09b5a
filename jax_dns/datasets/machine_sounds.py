"""Synthesises the sound of the synthetic factory's machines, faults, rooms and backgrounds.

A sound is modelled from its causes: orders of a shaft, flow noise, clicks of a cycle; then a room
and a factory around it. Normal and anomalous sound differ only in `_fault`, which adds to a healthy
sound. `machine_types` holds the ranges.
"""

import functools
from typing import NamedTuple

import numpy as np

from jax_dns.datasets.machine_types import (
    FAULTS,
    MACHINES,
    Machine,
    Point,
    Product,
    operating_point,
    product_of,
    random_stream,
)

LEAD = 0.5  # s synthesised before each clip and cut off, so that the room rings from the start
TURN = 2**15  # samples of one revolution; order 188, the highest, is then right to -40 dB
HUM = np.array([0, 0.3, 1.2, 0, 0.5, 0, 0.3])  # mains hum by multiple of 50 Hz, about unit power


class Parts(NamedTuple):
    """The parts [samples] whose sum is a clip, and how they were drawn."""

    healthy: np.ndarray
    fault: np.ndarray
    noise: np.ndarray
    kind: str  # the fault's name; "" for none
    point: Point


class MachineSound(NamedTuple):
    """A machine's sound [samples] at about unit power, parts of it, and the phases behind it."""

    sound: np.ndarray
    hum: np.ndarray
    tones: np.ndarray
    flow: np.ndarray
    shaft: np.ndarray  # turns of the shaft so far
    cycle: np.ndarray  # cycles so far


def _frequencies(n: int, rate: int) -> np.ndarray:
    return np.arange(n // 2 + 1, dtype=np.float32) * np.float32(rate / n)  # Hz


def _play(turns: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Evaluates the waveform of one revolution, complex amplitudes `orders`, at `turns` [n]."""
    wave = np.fft.irfft(orders * (TURN / 2), TURN).astype(np.float32)
    return wave[(turns * TURN).astype(np.int64) & (TURN - 1)]


def _noise(rng: np.random.Generator, n: int, shape: np.ndarray) -> np.ndarray:
    """Returns Gaussian noise [n] of unit power with amplitude spectrum `shape` [n // 2 + 1]."""
    spectrum = rng.standard_normal(2 * len(shape), dtype=np.float32).view(np.complex64)
    return np.fft.irfft(spectrum * np.float32(n / 2 / np.sqrt(shape @ shape)) * shape, n)


def _strike(rng, phase: np.ndarray, marks: np.ndarray, modes: np.ndarray, rate: int) -> np.ndarray:
    """Strikes resonances (Hz, s) where `phase` [n] passes `marks`; unit energy, 10 % spread."""
    t = np.arange(int(6 * modes[:, 1].max() * rate) + 1)[:, None] / rate
    ring = np.sum(np.exp(-t / modes[:, 1]) * np.sin(2 * np.pi * t * modes[:, 0]), axis=1)
    struck = np.zeros(len(phase) + len(ring))
    for start in np.searchsorted(phase, marks[(marks > phase[0]) & (marks < phase[-1])]):
        struck[start : start + len(ring)] += rng.normal(1, 0.1) * ring
    return struck[: len(phase)] / np.sqrt(ring @ ring)


def _pace(motion: str, cycle: np.ndarray) -> np.ndarray | float:
    """Returns the relative speed of the moving part, 0..1, at positions in the cycle."""
    if motion == "stroke":  # to and fro, with a dwell at either end
        return np.clip(1.6 * np.abs(np.sin(2 * np.pi * cycle)) - 0.3, 0, 1)
    if motion == "release":  # air escapes as the valve shuts
        return np.exp(-((cycle - 0.45) % 1) / 0.08)
    return 1.0


def _healthy(
    spec: Machine, product: Product, point: Point, rng: np.random.Generator, n: int, rate: int
) -> MachineSound:
    """Synthesises n samples of a healthy machine."""
    knots = np.clip(rng.standard_normal(2 * n // rate + 2), -3, 3)  # two a second
    wander = np.interp(np.arange(n) * (2 / rate), np.arange(len(knots)), knots)
    speed = point.speed * (1 + spec.wander * wander)
    run = np.cumsum(speed) / rate
    cycle = run * product.cycle + rng.random()
    pace = _pace(spec.motion, cycle)
    run = run if spec.motion == "steady" else np.cumsum(speed * pace) / rate
    shaft = run * product.shaft + rng.random()
    tones, clicks = np.zeros(n), np.zeros(n)
    for turns, orders in zip((1, product.ratio), product.orders) if product.teeth else ():
        # Orders within 6 % of the Nyquist rate are left out: they would alias as the speed wanders.
        top = int(0.47 * rate / (product.shaft * turns * point.speed))
        tones += _play(shaft * turns, orders[: top + 1])
    r = _frequencies(n, rate) / np.float32(product.flow * point.speed)  # Strouhal: as the speed
    flow = _noise(rng, n, r / (1 + r**2) / np.sqrt(1 + r**2))
    flow = flow * (1 + 0.2 * tones)  # blades and vanes chop the flow
    if spec.clicks:
        marks = np.add.outer(np.arange(int(cycle[-1]) + 1), spec.clicks).ravel()
        dense = np.sqrt(rate / (product.cycle * len(spec.clicks)))  # to unit power
        clicks = dense * _strike(rng, cycle, marks, product.modes, rate)
    gain = 10 ** (np.array(spec.levels) / 20)
    gain *= point.speed ** (spec.growth / 2) / np.sqrt(gain @ gain)
    gate = pace / np.sqrt(np.mean(np.square(_pace(spec.motion, np.linspace(0, 1, 1000)))))
    tones *= gate * gain[0] * 10 ** (point.load / 20)
    flow *= gate * gain[1]
    hum = gain[3] * _play(np.arange(n) * (50 / rate) + rng.random(), HUM)
    return MachineSound(tones + flow + gain[2] * clicks + hum, hum, tones, flow, shaft, cycle)


def _fault(
    kind: str,
    size: float,
    product: Product,
    healthy: MachineSound,
    rng: np.random.Generator,
    rate: int,
) -> np.ndarray:
    """Returns what a fault adds to the healthy sound [n]; `size` in the unit that FAULTS states."""
    sound, hum, tones, flow, shaft, cycle = healthy
    gain, n = 10 ** (size / 20), len(sound)
    if kind == "imbalance":  # the 1x tone grows, and with it a 5 % modulation of all the sound
        tone = np.std(tones) * np.abs(product.orders[0][1])
        return (gain - 1) * (tone + 0.05 * sound) * _play(shaft, np.array([0, 1]))
    if kind == "tooth":
        distance = ((shaft + rng.random()) % 1 - 0.5) * product.teeth  # in teeth
        return gain * tones * np.exp(-0.5 * distance**2)
    if kind == "rough":
        return (gain - 1) * flow
    if kind == "miss":
        cycles, length = np.unique(np.floor(cycle[int(LEAD * rate) :]), return_counts=True)
        cycles = cycles[2 * length >= length.max()]  # at least half of it lies within the clip
        stuck = rng.choice(cycles, max(1, round(size * len(cycles))), replace=False)
        return np.where(np.isin(np.floor(cycle), stuck), hum - sound, 0)
    if kind == "leak":
        r = _frequencies(n, rate) / np.float32(rng.uniform(1500, 4000))  # Hz, corner
        return gain * np.std(sound) * _noise(rng, n, r**2 / (1 + r**2))
    # Outer-race rate by the rule of thumb, with 1-2 % slip, ringing at 2-6 kHz at 3 % damping.
    per_turn, slip, modes = product.ratio, 0.005, product.modes
    if kind == "bearing":
        per_turn, slip = 0.4 * product.balls, rng.uniform(0.01, 0.02)
        modes = rng.uniform((2000, 0.001), (6000, 0.002))[None]
    gaps = rng.normal(1, slip, int(np.ptp(shaft) * per_turn) + 1)
    marks = shaft[0] * per_turn + np.cumsum(gaps) - rng.random()
    hits = _strike(rng, shaft * per_turn, marks, modes, rate)
    return gain * np.std(sound) / max(np.std(hits), 1e-9) * hits


@functools.lru_cache(maxsize=2)
def _tail(machine: str, section: int, seed: int, n: int, rate: int) -> np.ndarray:
    """Returns the transfer function [n // 2 + 1] of a room's diffuse tail (Polack's model)."""
    t = np.arange(int(0.6 * rate)) / rate
    tail = random_stream("room", seed, machine, section).standard_normal(len(t))
    tail *= (t > 0.005) * 10 ** (-3 * t / product_of(machine, section, seed).room[1])
    return np.fft.rfft(tail / np.sqrt(tail @ tail), n).astype(np.complex64)


def parts(
    machine, section, domain, label, index, split, *, seed, seconds, sample_rate, shift, snr_db
) -> Parts:
    """Synthesises the parts of one recording; arguments as for `synthetic.clip`."""
    spec, product = MACHINES[machine], product_of(machine, section, seed)
    rngs = {
        purpose: random_stream(purpose, seed, machine, section, domain, split, label, index)
        for purpose in ("point", "machine", "fault", "background")
    }
    lead = int(LEAD * sample_rate)
    n = lead + round(seconds * sample_rate)
    point = operating_point(product, domain, shift, snr_db, rngs["point"])
    level = product.room[0] + rngs["point"].normal()  # the microphone moves a little
    path = 1 + np.float32(10 ** (level / 20)) * _tail(machine, section, seed, n, sample_rate)
    machine_sound = _healthy(spec, product, point, rngs["machine"], n, sample_rate)
    healthy = np.fft.irfft(np.fft.rfft(machine_sound.sound.astype(np.float32)) * path, n)[lead:]
    kind, fault, rng = "", np.zeros_like(healthy), rngs["fault"]
    if label:
        kind = str(rng.choice(spec.faults))
        added = _fault(kind, rng.uniform(*FAULTS[kind]), product, machine_sound, rng, sample_rate)
        fault = np.fft.irfft(np.fft.rfft(added.astype(np.float32)) * path, n)[lead:]
    noise = _background(point, rngs["background"], n, sample_rate)[lead:]
    noise *= np.std(healthy) / np.std(noise) * 10 ** (-point.snr / 20)
    return Parts(healthy, fault, noise, kind, point)


def _background(point: Point, rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Synthesises the factory around the machine [n]: coloured noise, mains hum, clanks."""
    f = _frequencies(n, rate)
    coloured = _noise(rng, n, (f > 30) * np.maximum(f / 30, 1) ** np.float32(point.slope / 6.02))
    hum = _play(np.arange(n) * (50 / rate) + rng.random(), HUM)
    knocks = rng.random(rng.poisson(point.clanks * n / rate)) * n
    modes = rng.uniform((300, 0.02), (2000, 0.1), (2, 2))
    clanks = _strike(rng, np.arange(n), knocks, modes, rate) * np.sqrt(0.1 * rate)
    return coloured + 0.3 * hum + clanks
