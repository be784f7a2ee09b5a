"""Synthesises what surrounds a machine of the synthetic factory: its room, and other machinery.

The steady background is coloured noise, mains hum and a few clanks. In a busy shop other machines
start and stop besides, and people hammer. The figures of the shop are published measurements where
one was at hand, and were written down before any detector was run on such sound:

- Seven machines of a workshop, each at its operator: 82, 84, 88, 90, 92, 104 and 105 dB, mean 92,
  deviation 9 dB; the compressor among them 92 dB there and 84 dB at 1.8 m (a survey with a sound
  level meter, sawmillcreek.org, thread 9097, 2004).
- Factory noise 6 dB above the machine is the loudest in MIMII (Purohit et al. 2019).
- Intermittent industrial noise lasts several seconds or longer, then pauses for a comparable time
  (Liu and Roberts, Environmental Engineers' Handbook, 1999, Sec. 6.2).
- A hammer gives 87 to 95 dBA at the worker; a crane 96 dBA lifting, less than 80 at rest (list of
  the National Hearing Conservation Association, in Safe and Healthy Workplace, 1997).
- Impulses of 15 plants often took less than 20 % of the time; their power lay below 2 kHz mostly
  (Erdreich, NIOSHTIC-2 number 00155572). Excess kurtosis in 11 s: coin blanking 3, stamping 25,
  forging 44, barrel recycling 65 (Erdreich 2005).
"""

import functools
from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter1d

from jax_dns.datasets.machine_sounds import healthy_sound
from jax_dns.datasets.machine_types import MACHINES, Point, product_of, random_stream
from jax_dns.datasets.waveforms import HUM, frequencies, play, shaped_noise, strike

OTHERS = 3  # other machines within hearing; a choice
DISTANCE = -8.0  # dB: the compressor from its operator to 1.8 m
SPREAD = 9.0  # dB, deviation of the machines' levels
LOUDEST = 6.0  # dB re the machine
PERIOD = (3.0, 60.0)  # s: mean time that another machine runs, and that it pauses; log-uniform
RAMP = 0.5  # s to run up or down; a choice
HAMMER = (-5.0 + DISTANCE, 3.0 + DISTANCE)  # dB re the machine, rms while there is hammering
HAMMER_SHARE = 0.2  # of the time
HAMMER_BOUT = 5.0  # s, mean: several seconds
STRIKES = (1.0, 3.0)  # a second; a choice
MODES = ((300, 0.02), (2000, 0.1))  # ranges of what is struck: Hz, decay time in s
LOAD_SPREAD = 4.0  # dB from clip to clip: a crane's 16 dB as four deviations


class Neighbor(NamedTuple):
    """Another machine within hearing."""

    machine: str
    section: int
    level: float  # dB re the machine, at its microphone
    period: float  # s, mean time running and mean pause


@functools.lru_cache(maxsize=2)
def diffuse_tail(machine: str, section: int, seed: int, n: int, rate: int) -> np.ndarray:
    """Returns the transfer function [n // 2 + 1] of a room's diffuse tail (Polack's model)."""
    t = np.arange(int(0.6 * rate)) / rate
    tail = random_stream("room", seed, machine, section).standard_normal(len(t))
    tail *= (t > 0.005) * 10 ** (-3 * t / product_of(machine, section, seed).room[1])
    return np.fft.rfft(tail / np.sqrt(tail @ tail), n).astype(np.complex64)


def steady_background(point: Point, rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Synthesises the factory around the machine [n]: coloured noise, mains hum, clanks."""
    f = frequencies(n, rate)
    coloured = shaped_noise(
        rng, n, (f > 30) * np.maximum(f / 30, 1) ** np.float32(point.slope / 6.02)
    )
    hum = play(np.arange(n) * (50 / rate) + rng.random(), HUM)
    knocks = rng.random(rng.poisson(point.clanks * n / rate)) * n
    modes = rng.uniform((300, 0.02), (2000, 0.1), (2, 2))
    clanks = strike(rng, np.arange(n), knocks, modes, rate) * np.sqrt(0.1 * rate)
    return coloured + 0.3 * hum + clanks


def neighbors_of(machine: str, section: int, seed: int) -> list[Neighbor]:
    """Draws the machines around a section's machine; they are the same in all its clips."""
    rng = random_stream("neighbors", seed, machine, section)
    types = [name for name in MACHINES if name != machine]
    return [
        Neighbor(
            str(rng.choice(types)),
            int(rng.integers(100)),
            min(rng.normal(DISTANCE, SPREAD), LOUDEST),
            float(np.exp(rng.uniform(*np.log(PERIOD)))),
        )
        for _ in range(OTHERS)
    ]


def running(
    rng: np.random.Generator, n: int, rate: int, *, on: float, off: float, ramp: float
) -> np.ndarray:
    """Draws when something runs: a gain [n] of 0 to 1, with exponential times on and off.

    Args:
      rng: random stream.
      n: samples.
      rate: Hz.
      on: mean time that it runs, s.
      off: mean pause, s.
      ramp: time from 0 to 1, s; 0 for none.
    """
    state = rng.random() < on / (on + off)
    time, switches = 0.0, []
    while time < n / rate:
        switches.append((time, float(state)))
        time += rng.exponential(on if state else off)
        state = not state
    times, states = np.array(switches).T
    gate = states[np.searchsorted(times, np.arange(n) / rate, side="right") - 1]
    return uniform_filter1d(gate, round(ramp * rate), mode="nearest") if ramp else gate


def shop_noise(
    machine: str, section: int, seed: int, rng: np.random.Generator, n: int, rate: int
) -> np.ndarray:
    """Synthesises other machines that start and stop, and hammering.

    Args:
      machine: the machine type that is recorded.
      section: its product.
      seed: the factory's seed.
      rng: the clip's random stream.
      n: samples.
      rate: Hz.

    Returns:
      [n], re a machine of unit power.
    """
    total = np.zeros(n)
    for neighbor in neighbors_of(machine, section, seed):
        gate = running(rng, n, rate, on=neighbor.period, off=neighbor.period, ramp=RAMP)
        stream = np.random.default_rng(rng.integers(2**63))
        if gate.any():
            product = product_of(neighbor.machine, neighbor.section, seed)
            point = Point(stream.uniform(0.95, 1.05), stream.normal(0, LOAD_SPREAD), 0.0, 0.0, 0.0)
            spec = MACHINES[neighbor.machine]
            sound = healthy_sound(spec, product, point, stream, n, rate).sound
            total += 10 ** (neighbor.level / 20) * gate * sound
    total += hammering(rng, n, rate)
    # Farther away than the room's reverberation radius: the diffuse sound alone.
    tail = diffuse_tail(machine, section, seed, n, rate)
    return np.fft.irfft(np.fft.rfft(total.astype(np.float32)) * tail, n)


def hammering(rng: np.random.Generator, n: int, rate: int) -> np.ndarray:
    """Synthesises bouts of hammering [n], re a machine of unit power."""
    pause = HAMMER_BOUT * (1 / HAMMER_SHARE - 1)
    gate = running(rng, n, rate, on=HAMMER_BOUT, off=pause, ramp=0.0)
    modes, level, pace = rng.uniform(*MODES, (2, 2)), rng.uniform(*HAMMER), rng.uniform(*STRIKES)
    gaps = rng.normal(1, 0.1, int(pace * n / rate) + 2) / pace  # a tenth of spread: by hand
    marks = (np.cumsum(gaps) - rng.random() / pace) * rate
    marks = marks[(marks > 0) & (marks < n)]
    marks = marks[gate[marks.astype(int)] > 0]
    # `strike` gives each blow unit energy; rate / pace blows' energy is unit power.
    return 10 ** (level / 20) * np.sqrt(rate / pace) * strike(rng, np.arange(n), marks, modes, rate)
