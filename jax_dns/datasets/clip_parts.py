"""Puts a recording of the synthetic factory together: machine, fault, room and surroundings.

Normal and anomalous sound differ only in `fault_sound`, which adds to a healthy sound.
"""

from typing import NamedTuple

import numpy as np

from jax_dns.datasets.machine_sounds import LEAD, fault_sound, healthy_sound
from jax_dns.datasets.machine_types import (
    FAULTS,
    MACHINES,
    Point,
    operating_point,
    product_of,
    random_stream,
)
from jax_dns.datasets.surroundings import LOAD_SPREAD, diffuse_tail, shop_noise, steady_background


class Sound(NamedTuple):
    """How a factory sounds; the same for all of its recordings."""

    seed: int = 0  # 0 or more
    seconds: float = 10.0  # length of a recording, s; 1 or more
    sample_rate: int = 16000  # Hz; 16,000 or more, because bearings ring at up to 6 kHz
    shift: float = 1.0  # size of the domain shift, 0 (none) to 2
    snr_db: float = 0.0  # mean SNR of machine and steady background, -20 to 60; MIMII's -6, 0, 6
    background: str = "steady"  # or "shop": others start and stop, people hammer, loads vary more


class Parts(NamedTuple):
    """The parts [samples] whose sum is a clip, and how they were drawn."""

    healthy: np.ndarray
    fault: np.ndarray
    noise: np.ndarray
    kind: str  # the fault's name; "" for none
    point: Point


def parts(
    machine: str, section: int, domain: str, label: int, index: int, split: str, sound: Sound
) -> Parts:
    """Synthesises the parts of one recording; arguments as for `synthetic.clip`."""
    seed, rate = sound.seed, sound.sample_rate
    spec, product = MACHINES[machine], product_of(machine, section, seed)
    rngs = {
        purpose: random_stream(purpose, seed, machine, section, domain, split, label, index)
        for purpose in ("point", "machine", "fault", "background")
    }
    lead = int(LEAD * rate)
    n = lead + round(sound.seconds * rate)
    busy = sound.background == "shop"
    spread = LOAD_SPREAD if busy else 1.0
    point = operating_point(
        product, domain, sound.shift, sound.snr_db, rngs["point"], load_spread=spread
    )
    level = product.room[0] + rngs["point"].normal()  # the microphone moves a little
    path = 1 + np.float32(10 ** (level / 20)) * diffuse_tail(machine, section, seed, n, rate)
    machine_sound = healthy_sound(spec, product, point, rngs["machine"], n, rate)
    healthy = np.fft.irfft(np.fft.rfft(machine_sound.sound.astype(np.float32)) * path, n)[lead:]
    kind, fault, rng = "", np.zeros_like(healthy), rngs["fault"]
    if label:
        kind = str(rng.choice(spec.faults))
        added = fault_sound(kind, rng.uniform(*FAULTS[kind]), product, machine_sound, rng, rate)
        fault = np.fft.irfft(np.fft.rfft(added.astype(np.float32)) * path, n)[lead:]
    noise = steady_background(point, rngs["background"], n, rate)[lead:]
    noise *= np.std(healthy) / np.std(noise) * 10 ** (-point.snr / 20)
    if busy:
        rng = random_stream("shop", seed, machine, section, domain, split, label, index)
        shop = shop_noise(machine, section, seed, rng, n, rate)[lead:]
        noise += 10 ** (-sound.snr_db / 20) * shop
    return Parts(healthy, fault, noise, kind, point)
