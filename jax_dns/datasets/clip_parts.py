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


class Parts(NamedTuple):
    """The parts [samples] whose sum is a clip, and how they were drawn."""

    healthy: np.ndarray
    fault: np.ndarray
    noise: np.ndarray
    kind: str  # the fault's name; "" for none
    point: Point


def parts(
    machine: str,
    section: int,
    domain: str,
    label: int,
    index: int,
    split: str,
    *,
    seed: int,
    seconds: float,
    sample_rate: int,
    shift: float,
    snr_db: float,
    background: str = "steady",
) -> Parts:
    """Synthesises the parts of one recording; arguments as for `synthetic.clip`."""
    spec, product = MACHINES[machine], product_of(machine, section, seed)
    rngs = {
        purpose: random_stream(purpose, seed, machine, section, domain, split, label, index)
        for purpose in ("point", "machine", "fault", "background")
    }
    lead = int(LEAD * sample_rate)
    n = lead + round(seconds * sample_rate)
    busy = background == "shop"
    point = operating_point(
        product, domain, shift, snr_db, rngs["point"], load_spread=LOAD_SPREAD if busy else 1.0
    )
    level = product.room[0] + rngs["point"].normal()  # the microphone moves a little
    path = 1 + np.float32(10 ** (level / 20)) * diffuse_tail(machine, section, seed, n, sample_rate)
    machine_sound = healthy_sound(spec, product, point, rngs["machine"], n, sample_rate)
    healthy = np.fft.irfft(np.fft.rfft(machine_sound.sound.astype(np.float32)) * path, n)[lead:]
    kind, fault, rng = "", np.zeros_like(healthy), rngs["fault"]
    if label:
        kind = str(rng.choice(spec.faults))
        added = fault_sound(
            kind, rng.uniform(*FAULTS[kind]), product, machine_sound, rng, sample_rate
        )
        fault = np.fft.irfft(np.fft.rfft(added.astype(np.float32)) * path, n)[lead:]
    noise = steady_background(point, rngs["background"], n, sample_rate)[lead:]
    noise *= np.std(healthy) / np.std(noise) * 10 ** (-point.snr / 20)
    if busy:
        rng = random_stream("shop", seed, machine, section, domain, split, label, index)
        shop = shop_noise(machine, section, seed, rng, n, sample_rate)[lead:]
        noise += 10 ** (-snr_db / 20) * shop
    return Parts(healthy, fault, noise, kind, point)
