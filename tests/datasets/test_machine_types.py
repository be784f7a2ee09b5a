"""Products and operating points of the synthetic factory."""

import subprocess
import sys

import numpy as np
import pytest

from jax_dns.datasets import machine_types
from jax_dns.datasets.machine_types import FAULTS, MACHINES


@pytest.mark.parametrize("machine", MACHINES)
def test_products_lie_within_their_type(machine):
    spec = MACHINES[machine]
    assert set(spec.faults) <= FAULTS.keys()
    products = [machine_types.product_of(machine, section, 3) for section in range(20)]
    for p in products:
        assert spec.shaft[0] <= p.shaft <= spec.shaft[1] and spec.flow[0] <= p.flow <= spec.flow[1]
        assert spec.teeth[0] <= p.teeth <= spec.teeth[1]
        power = sum(np.sum(np.abs(wave) ** 2) / 2 for wave in p.orders)
        assert power == pytest.approx(1)
    assert len({p.flow for p in products}) == 20


def test_operating_points_follow_the_shift():
    product = machine_types.product_of("fan", 2, 3)

    def points(domain, shift):
        draws = (
            machine_types.operating_point(product, domain, shift, 0.0, np.random.default_rng(i))
            for i in range(400)
        )
        return np.array(list(draws))

    source = points("source", 1.0)
    np.testing.assert_array_equal(points("target", 0.0), source)
    speed, load, snr, slope = product.move
    moved = points("target", 1.0)
    np.testing.assert_allclose(moved[:, 0] / source[:, 0], 1 + speed)
    np.testing.assert_allclose((moved - source)[:, 1:4], np.tile((load, snr, slope), (400, 1)))
    half = points("target", 0.5)
    np.testing.assert_allclose(half - source, (moved - source) / 2, atol=1e-9)
    assert 0.2 <= abs(speed) <= 0.3 and 2 <= abs(load) <= 4 and 2 <= abs(snr) <= 4


def test_random_streams_are_the_same_in_every_process():
    code = (
        "from jax_dns.datasets.machine_types import random_stream as stream;"
        "print(stream('a', 1).integers(10**9), stream('a', 2).integers(10**9))"
    )
    numbers = [
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": h}, capture_output=True, check=True
        ).stdout.split()
        for h in ("1", "2")
    ]
    assert numbers[0] == numbers[1] and numbers[0][0] != numbers[0][1]
