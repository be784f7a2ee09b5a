"""Synthesises the sound of the synthetic factory's machines, and what a fault adds to it.

A sound is modelled from its causes: orders of a shaft, flow noise, clicks of a cycle.
`machine_types` holds the ranges.
"""

from typing import NamedTuple

import numpy as np

from jax_dns.datasets.machine_types import Machine, Point, Product
from jax_dns.datasets.waveforms import HUM, frequencies, play, shaped_noise, strike

LEAD = 0.5  # s synthesised before each clip and cut off, so that the room rings from the start


class MachineSound(NamedTuple):
    """A machine's sound [samples] at about unit power, parts of it, and the phases behind it."""

    sound: np.ndarray
    hum: np.ndarray
    tones: np.ndarray
    flow: np.ndarray
    shaft: np.ndarray  # turns of the shaft so far
    cycle: np.ndarray  # cycles so far


def _pace(motion: str, cycle: np.ndarray) -> np.ndarray | float:
    """Returns the relative speed of the moving part, 0..1, at positions in the cycle."""
    if motion == "stroke":  # to and fro, with a dwell at either end
        return np.clip(1.6 * np.abs(np.sin(2 * np.pi * cycle)) - 0.3, 0, 1)
    if motion == "release":  # air escapes as the valve shuts
        return np.exp(-((cycle - 0.45) % 1) / 0.08)
    return 1.0


def healthy_sound(
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
        tones += play(shaft * turns, orders[: top + 1])
    r = frequencies(n, rate) / np.float32(product.flow * point.speed)  # Strouhal: as the speed
    flow = shaped_noise(rng, n, r / (1 + r**2) / np.sqrt(1 + r**2))
    flow = flow * (1 + 0.2 * tones)  # blades and vanes chop the flow
    if spec.clicks:
        marks = np.add.outer(np.arange(int(cycle[-1]) + 1), spec.clicks).ravel()
        dense = np.sqrt(rate / (product.cycle * len(spec.clicks)))  # to unit power
        clicks = dense * strike(rng, cycle, marks, product.modes, rate)
    gain = 10 ** (np.array(spec.levels) / 20)
    gain *= point.speed ** (spec.growth / 2) / np.sqrt(gain @ gain)
    gate = pace / np.sqrt(np.mean(np.square(_pace(spec.motion, np.linspace(0, 1, 1000)))))
    tones *= gate * gain[0] * 10 ** (point.load / 20)
    flow *= gate * gain[1]
    hum = gain[3] * play(np.arange(n) * (50 / rate) + rng.random(), HUM)
    return MachineSound(tones + flow + gain[2] * clicks + hum, hum, tones, flow, shaft, cycle)


def fault_sound(
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
        return (gain - 1) * (tone + 0.05 * sound) * play(shaft, np.array([0, 1]))
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
        r = frequencies(n, rate) / np.float32(rng.uniform(1500, 4000))  # Hz, corner
        return gain * np.std(sound) * shaped_noise(rng, n, r**2 / (1 + r**2))
    # Outer-race rate by the rule of thumb, with 1-2 % slip, ringing at 2-6 kHz at 3 % damping.
    per_turn, slip, modes = product.ratio, 0.005, product.modes
    if kind == "bearing":
        per_turn, slip = 0.4 * product.balls, rng.uniform(0.01, 0.02)
        modes = rng.uniform((2000, 0.001), (6000, 0.002))[None]
    gaps = rng.normal(1, slip, int(np.ptp(shaft) * per_turn) + 1)
    marks = shaft[0] * per_turn + np.cumsum(gaps) - rng.random()
    hits = strike(rng, shaft * per_turn, marks, modes, rate)
    return gain * np.std(sound) / max(np.std(hits), 1e-9) * hits
