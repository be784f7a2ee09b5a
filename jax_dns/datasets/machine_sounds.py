"""How the synthetic factory's machines sound: mechanisms, faults, rooms and backgrounds.

A sound is modelled from its causes: orders of a shaft, flow noise, clicks of a cycle; then a room
and a factory behind it. Labels differ only in `_fault`, which adds to a healthy sound. All levels
are physical ranges set beforehand; no detector was run on this data. The domains differ in what
DCASE 2021 names (Kawaguchi et al. 2021; MIMII DUE, Tanabe et al. 2021; ToyADMOS2, Harada et al.
2021): operating speed, load, kind and level of the background; `shift` is the size of it all.
"""

import functools
import hashlib
import json
from typing import NamedTuple

import numpy as np

LEAD = 0.5  # s made before each clip and cut off: the room is already ringing by then
TURN = 2**15  # samples of one revolution; order 188, the highest, is then right to -40 dB
HUM = np.array([0, 0.3, 1.2, 0, 0.5, 0, 0.3])  # mains hum by multiple of 50 Hz, about unit power


class Machine(NamedTuple):
    """The ranges that the products of a machine type are drawn from."""

    shaft: tuple[float, float]  # Hz: 2- and 4-pole motors at 50 Hz and below; toys 5,000-12,000 rpm
    teeth: tuple[int, int]  # blades, vanes or teeth: the order of the main tone; 0 for no tone
    ratio: tuple[float, float]  # turns of the driven shaft per turn of the first
    ripple: int  # commutations per turn: 6 for the three-slot armature of a toy's motor
    cycle: tuple[float, float]  # Hz: strokes, valve cycles, rail joints
    clicks: tuple[float, ...]  # where in a cycle something strikes, 0..1
    motion: str  # how the moving part's speed follows the cycle, see _pace
    flow: tuple[float, float]  # Hz, the peak of flow or friction noise at nominal speed
    levels: tuple[float, float, float, float]  # dB of tones, flow, clicks, mains hum; -99 is none
    growth: int  # sound power grows as speed ** growth: 5 for fans and pumps (affinity laws)
    wander: float  # rms of the slow relative wander of speed
    faults: tuple[str, ...]  # after the lists of MIMII DUE and ToyADMOS2


# fmt: off
MACHINES = {
    "fan": Machine((15, 30), (5, 9), (1, 1), 0, (0, 0), (), "steady", (300, 900),
                   (0, 0, -99, -15), 5, 0.003, ("bearing", "imbalance", "rough")),
    "gearbox": Machine((15, 30), (17, 31), (0.3, 0.6), 0, (0, 0), (), "steady", (600, 2000),
                       (0, -6, -99, -15), 2, 0.003, ("bearing", "tooth", "rough")),
    "pump": Machine((24, 49), (5, 7), (1, 1), 0, (0, 0), (), "steady", (500, 2000),
                    (-3, 0, -99, -9), 5, 0.003, ("bearing", "leak", "rough")),
    "slider": Machine((10, 20), (12, 24), (1, 1), 0, (0.4, 0.8), (0, 0.5), "stroke", (800, 2500),
                      (-6, 0, -6, -20), 2, 0.01, ("bearing", "miss", "rough")),
    "ToyCar": Machine((100, 200), (8, 12), (0.2, 0.35), 6, (0, 0), (), "steady", (1000, 3000),
                      (0, -6, -99, -99), 2, 0.02, ("imbalance", "tooth", "wheel")),
    "ToyTrain": Machine((80, 150), (8, 12), (0.1, 0.2), 6, (1.5, 3), (0, 0.18), "steady",
                        (600, 2000), (0, -6, 0, -99), 2, 0.02, ("bearing", "tooth", "wheel")),
    "valve": Machine((0, 0), (0, 0), (1, 1), 0, (0.5, 1.2), (0, 0.45), "release", (1500, 4000),
                     (-99, -3, 0, -20), 0, 0.01, ("leak", "miss", "rough")),
}
FAULTS = {  # range of sizes, uniform; "re machine" is re the rms of the clip's own healthy sound
    "bearing": (-12, 0),  # dB re machine: outer-race impacts (McFadden & Smith 1984)
    "wheel": (-12, 0),  # dB re machine: a flat strikes once a turn of the driven axle
    "imbalance": (8, 16),  # dB on the 1x tone: one or two zones of ISO 20816 of 2.5 (8 dB) each
    "tooth": (-6, 6),  # dB re the mesh tones: two teeth alter them once a turn (McFadden 1986)
    "leak": (-12, 0),  # dB re machine: hiss of a jet from a small hole
    "rough": (3, 9),  # dB on flow or friction noise: clogging, cavitation, lost grease
    "miss": (0.1, 0.4),  # share of the cycles, one at least, that don't happen: stuck, slipping
}
# fmt: on


class Product(NamedTuple):
    """One section: a machine of its type, its room and its move to the target domain."""

    shaft: float  # Hz, nominal; so are the next two
    cycle: float
    flow: float
    teeth: int
    ratio: float
    balls: int  # rolling elements of the bearing
    orders: tuple[np.ndarray, ...]  # complex amplitude by order of each shaft; unit power in all
    modes: np.ndarray  # [2, 2]: resonances of the structure, Hz and decay time in s
    room: tuple[float, float]  # dB of the diffuse tail re the direct sound; its RT60 in s
    move: np.ndarray  # [4] at shift 1: relative speed, dB of load, dB of SNR, dB/octave of slope


class Point(NamedTuple):
    """The operating point of one clip."""

    speed: float  # re nominal
    load: float  # dB on the tones
    snr: float  # dB, healthy machine re background
    slope: float  # dB/octave of the background
    clanks: float  # knocks of other machinery per s


class Parts(NamedTuple):
    """What a clip is the sum of, [samples] each, and how they came about."""

    healthy: np.ndarray
    fault: np.ndarray
    noise: np.ndarray
    kind: str  # the fault's name; "" for none
    point: Point


def stream(*key: object) -> np.random.Generator:
    """A random stream of its own for each key, the same in every process."""
    digest = hashlib.sha256(json.dumps(key).encode()).digest()  # hash() differs by process
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def _frequencies(n: int, rate: int) -> np.ndarray:
    return np.arange(n // 2 + 1, dtype=np.float32) * np.float32(rate / n)  # Hz


def _play(turns: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Plays the waveform of one revolution, complex amplitudes `orders`, along `turns` [n]."""
    wave = np.fft.irfft(orders * (TURN / 2), TURN).astype(np.float32)
    return wave[(turns * TURN).astype(np.int64) & (TURN - 1)]


def _noise(rng: np.random.Generator, n: int, shape: np.ndarray) -> np.ndarray:
    """Gaussian noise [n] of unit power with amplitude spectrum `shape` [n // 2 + 1]."""
    spectrum = rng.standard_normal(2 * len(shape), dtype=np.float32).view(np.complex64)
    return np.fft.irfft(spectrum * np.float32(n / 2 / np.sqrt(shape @ shape)) * shape, n)


def _strike(rng, phase: np.ndarray, marks: np.ndarray, modes: np.ndarray, rate: int) -> np.ndarray:
    """Resonances (Hz, s) of unit energy, struck as `phase` [n] passes `marks`, within 10 %."""
    t = np.arange(int(6 * modes[:, 1].max() * rate) + 1)[:, None] / rate
    ring = np.sum(np.exp(-t / modes[:, 1]) * np.sin(2 * np.pi * t * modes[:, 0]), axis=1)
    out = np.zeros(len(phase) + len(ring))
    for place in np.searchsorted(phase, marks[(marks > phase[0]) & (marks < phase[-1])]):
        out[place : place + len(ring)] += rng.normal(1, 0.1) * ring
    return out[: len(phase)] / np.sqrt(ring @ ring)


def _pace(motion: str, cycle: np.ndarray) -> np.ndarray | float:
    """Relative speed of the moving part, 0..1, against the place in the cycle."""
    if motion == "stroke":  # to and fro, with a dwell at either end
        return np.clip(1.6 * np.abs(np.sin(2 * np.pi * cycle)) - 0.3, 0, 1)
    if motion == "release":  # air escapes as the valve shuts
        return np.exp(-((cycle - 0.45) % 1) / 0.08)
    return 1.0


@functools.lru_cache(maxsize=64)
def product_of(machine: str, section: int, seed: int) -> Product:
    """Draws one section's product from its type's ranges."""
    spec, rng = MACHINES[machine], stream("product", seed, machine, section)
    teeth = int(rng.integers(spec.teeth[0], spec.teeth[1], endpoint=True))
    driven = round(teeth / rng.uniform(*spec.ratio))
    # dB re the mesh or blade tone: harmonics fall by 6 each; a sound wheel's run-out leaves
    # sidebands 15 below them at the rate of its shaft, whose own tone lies 20 below.
    first, second = {1: -20.0, 2: -26.0}, {1: -20.0}
    for k in range(1, 7) if teeth else ():
        first |= {k * teeth + s: 6 * (1 - k) - (0, 15, 21)[abs(s)] for s in range(-2, 3)}
        first |= {k * spec.ripple: -6.0 * k} if spec.ripple else {}
        second |= {k * driven + s: -6.0 * k - 9 for s in (-1, 1)}
    orders = []
    for levels in (first, second)[: 1 + (driven != teeth)]:
        wave = np.zeros(max(levels) + 1, complex)
        level = np.array(list(levels.values())) + rng.normal(0, 2, len(levels))
        wave[list(levels)] = 10 ** (level / 20) * np.exp(2j * np.pi * rng.random(len(level)))
        orders.append(wave)
    power = sum(np.sum(np.abs(wave) ** 2) / 2 for wave in orders)
    return Product(
        *(rng.uniform(*span) for span in (spec.shaft, spec.cycle, spec.flow)),
        teeth=teeth,
        ratio=teeth / max(driven, 1),
        balls=int(rng.integers(7, 13)),
        orders=tuple(wave / np.sqrt(power) for wave in orders),
        modes=rng.uniform(((400, 0.004), (1500, 0.004)), ((1500, 0.012), (4000, 0.012))),
        room=(rng.uniform(-9, -3), rng.uniform(0.2, 0.6)),
        # Speed by 20-30 %, load by 2-4 dB, SNR by 2-4 dB, slope by 1-2 dB/octave, up or down.
        move=rng.uniform((0.2, 2, 2, 1), (0.3, 4, 4, 2)) * rng.choice((-1, 1), 4),
    )


def operating_point(product: Product, domain: str, shift: float, snr_db: float, rng) -> Point:
    """Draws an operating point; the domain acts through `shift` alone, so 0 leaves none."""
    moved = shift if domain == "target" else 0.0
    speed, load, snr, slope = moved * product.move
    base = rng.normal((0, snr_db, -4), (1, 1, 0.5))  # -4 dB/octave: between pink and brown
    turning = rng.uniform(0.95, 1.05) * (1 + speed)
    return Point(turning, *(base + (load, snr, slope)), clanks=0.2 * (1 + 2 * moved))


def _healthy(spec: Machine, product: Product, point: Point, rng, n: int, rate: int) -> tuple:
    """Sound of a machine at about unit power; its hum, tones, flow; its turns, cycles; all [n]."""
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
    return tones + flow + gain[2] * clicks + hum, hum, tones, flow, shaft, cycle


def _fault(kind, size, product: Product, healthy: tuple, rng, rate: int) -> np.ndarray:
    """What a fault adds to the healthy sound [n]; `size` is in the unit FAULTS states."""
    sound, hum, tones, flow, shaft, cycle = healthy
    gain, n = 10 ** (size / 20), len(sound)
    if kind == "imbalance":  # the 1x tone grows, and with it a 5 % modulation of all the sound
        own = np.std(tones) * np.abs(product.orders[0][1])
        return (gain - 1) * (own + 0.05 * sound) * _play(shaft, np.array([0, 1]))
    if kind == "tooth":
        place = ((shaft + rng.random()) % 1 - 0.5) * product.teeth  # in teeth
        return gain * tones * np.exp(-0.5 * place**2)
    if kind == "rough":
        return (gain - 1) * flow
    if kind == "miss":
        which, length = np.unique(np.floor(cycle[int(LEAD * rate) :]), return_counts=True)
        which = which[2 * length >= length.max()]  # not one that the clip merely touches
        stuck = rng.choice(which, max(1, round(size * len(which))), replace=False)
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
    """Transfer function [n // 2 + 1] of a room's diffuse tail (Polack's decaying noise)."""
    t = np.arange(int(0.6 * rate)) / rate
    tail = stream("room", seed, machine, section).standard_normal(len(t))
    tail *= (t > 0.005) * 10 ** (-3 * t / product_of(machine, section, seed).room[1])
    return np.fft.rfft(tail / np.sqrt(tail @ tail), n).astype(np.complex64)


def parts(
    machine, section, domain, label, index, split, *, seed, seconds, sample_rate, shift, snr_db
) -> Parts:
    """What one recording is made of; arguments as for `synthetic.clip`."""
    spec, product = MACHINES[machine], product_of(machine, section, seed)
    rngs = {
        purpose: stream(purpose, seed, machine, section, domain, split, label, index)
        for purpose in ("point", "machine", "fault", "background")
    }
    lead = int(LEAD * sample_rate)
    n = lead + round(seconds * sample_rate)
    point = operating_point(product, domain, shift, snr_db, rngs["point"])
    level = product.room[0] + rngs["point"].normal()  # the microphone moves a little
    path = 1 + np.float32(10 ** (level / 20)) * _tail(machine, section, seed, n, sample_rate)
    sound = _healthy(spec, product, point, rngs["machine"], n, sample_rate)
    healthy = np.fft.irfft(np.fft.rfft(sound[0].astype(np.float32)) * path, n)[lead:]
    kind, fault, rng = "", np.zeros_like(healthy), rngs["fault"]
    if label:
        kind = str(rng.choice(spec.faults))
        added = _fault(kind, rng.uniform(*FAULTS[kind]), product, sound, rng, sample_rate)
        fault = np.fft.irfft(np.fft.rfft(added.astype(np.float32)) * path, n)[lead:]
    rng = rngs["background"]
    f = _frequencies(n, sample_rate)
    coloured = _noise(rng, n, (f > 30) * np.maximum(f / 30, 1) ** np.float32(point.slope / 6.02))
    hum = _play(np.arange(n) * (50 / sample_rate) + rng.random(), HUM)
    knocks = rng.random(rng.poisson(point.clanks * n / sample_rate)) * n
    modes = rng.uniform((300, 0.02), (2000, 0.1), (2, 2))
    clanks = _strike(rng, np.arange(n), knocks, modes, sample_rate) * np.sqrt(0.1 * sample_rate)
    noise = (coloured + 0.3 * hum + clanks)[lead:]
    noise *= np.std(healthy) / np.std(noise) * 10 ** (-point.snr / 20)
    return Parts(healthy, fault, noise, kind, point)
