"""Describes the synthetic factory's machines: types, products, faults and operating points.

All levels are physical ranges chosen beforehand; no detector was run on this data. The domains
differ as in DCASE 2021 (Kawaguchi et al. 2021; MIMII DUE, Tanabe et al. 2021; ToyADMOS2, Harada et
al. 2021): in operating speed, load, level and colour of the background. `shift` scales all of it.
"""

import functools
import hashlib
import json
from typing import NamedTuple

import numpy as np


class Machine(NamedTuple):
    """The ranges from which a machine type's products are drawn."""

    shaft: tuple[float, float]  # Hz: 2- and 4-pole motors at 50 Hz and below; toys 5,000-12,000 rpm
    flow: tuple[float, float]  # Hz, the peak of flow or friction noise at nominal speed
    levels: tuple[float, float, float, float]  # dB of tones, flow, clicks, mains hum; -99 is none
    growth: int  # sound power grows as speed ** growth: 5 for fans and pumps (affinity laws)
    wander: float  # rms of the slow relative wander of speed
    faults: tuple[str, ...]  # as listed for MIMII DUE and ToyADMOS2
    teeth: tuple[int, int] = (0, 0)  # blades, vanes or teeth: order of the main tone; 0: no tone
    ratio: tuple[float, float] = (1, 1)  # turns of the driven shaft per turn of the first
    ripple: int = 0  # commutations per turn: 6 for the three-slot armature of a toy's motor
    cycle: tuple[float, float] = (0, 0)  # Hz: strokes, valve cycles, rail joints
    clicks: tuple[float, ...] = ()  # positions in a cycle, 0..1, at which something strikes
    motion: str = "steady"  # how the moving part's speed follows the cycle, see `_pace`


MACHINES = {
    "fan": Machine(
        shaft=(15, 30),
        teeth=(5, 9),
        flow=(300, 900),
        levels=(0, 0, -99, -15),
        growth=5,
        wander=0.003,
        faults=("bearing", "imbalance", "rough"),
    ),
    "gearbox": Machine(
        shaft=(15, 30),
        teeth=(17, 31),
        ratio=(0.3, 0.6),
        flow=(600, 2000),
        levels=(0, -6, -99, -15),
        growth=2,
        wander=0.003,
        faults=("bearing", "tooth", "rough"),
    ),
    "pump": Machine(
        shaft=(24, 49),
        teeth=(5, 7),
        flow=(500, 2000),
        levels=(-3, 0, -99, -9),
        growth=5,
        wander=0.003,
        faults=("bearing", "leak", "rough"),
    ),
    "slider": Machine(
        shaft=(10, 20),
        teeth=(12, 24),
        cycle=(0.4, 0.8),
        clicks=(0, 0.5),
        motion="stroke",
        flow=(800, 2500),
        levels=(-6, 0, -6, -20),
        growth=2,
        wander=0.01,
        faults=("bearing", "miss", "rough"),
    ),
    "ToyCar": Machine(
        shaft=(100, 200),
        teeth=(8, 12),
        ratio=(0.2, 0.35),
        ripple=6,
        flow=(1000, 3000),
        levels=(0, -6, -99, -99),
        growth=2,
        wander=0.02,
        faults=("imbalance", "tooth", "wheel"),
    ),
    "ToyTrain": Machine(
        shaft=(80, 150),
        teeth=(8, 12),
        ratio=(0.1, 0.2),
        ripple=6,
        cycle=(1.5, 3),
        clicks=(0, 0.18),
        flow=(600, 2000),
        levels=(0, -6, 0, -99),
        growth=2,
        wander=0.02,
        faults=("bearing", "tooth", "wheel"),
    ),
    "valve": Machine(
        shaft=(0, 0),
        cycle=(0.5, 1.2),
        clicks=(0, 0.45),
        motion="release",
        flow=(1500, 4000),
        levels=(-99, -3, 0, -20),
        growth=0,
        wander=0.01,
        faults=("leak", "miss", "rough"),
    ),
}
FAULTS = {  # range of sizes, uniform; "re machine" is re the rms of the clip's own healthy sound
    "bearing": (-12, 0),  # dB re machine: outer-race impacts (McFadden & Smith 1984)
    "wheel": (-12, 0),  # dB re machine: a flat strikes once a turn of the driven axle
    "imbalance": (8, 16),  # dB on the 1x tone: one or two zones of ISO 20816 of 2.5 (8 dB) each
    "tooth": (-6, 6),  # dB re the mesh tones: two teeth alter them once a turn (McFadden 1986)
    "leak": (-12, 0),  # dB re machine: hiss of a jet from a small hole
    "rough": (3, 9),  # dB on flow or friction noise: clogging, cavitation, lost grease
    "miss": (0.1, 0.4),  # share of the cycles, at least one, that are skipped: stuck, slipping
}


class Product(NamedTuple):
    """One section: a machine of its type, its room, and its change in the target domain."""

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


def random_stream(*key: object) -> np.random.Generator:
    """Returns the random stream of a key, the same in every process."""
    digest = hashlib.sha256(json.dumps(key).encode()).digest()  # hash() differs between processes
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


@functools.lru_cache(maxsize=64)
def product_of(machine: str, section: int, seed: int) -> Product:
    """Draws one section's product from its type's ranges."""
    spec, rng = MACHINES[machine], random_stream("product", seed, machine, section)
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


def operating_point(
    product: Product,
    domain: str,
    shift: float,
    snr_db: float,
    rng: np.random.Generator,
    *,
    load_spread: float = 1.0,
) -> Point:
    """Draws an operating point; at `shift` 0 the two domains are the same."""
    change = shift if domain == "target" else 0.0
    speed, load, snr, slope = change * product.move
    base = rng.normal(
        (0, snr_db, -4), (load_spread, 1, 0.5)
    )  # -4 dB/octave: between pink and brown
    turning = rng.uniform(0.95, 1.05) * (1 + speed)
    return Point(turning, *(base + (load, snr, slope)), clanks=0.2 * (1 + 2 * change))
