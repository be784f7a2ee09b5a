"""Programs compiled for chips that are not present, and their estimated costs."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import aot_programs
import jax
import numpy as np
import pytest
from jax.sharding import Mesh
from tpu_aot import read_costs

from jax_dns.smoothing.sharded.arrays import ROWS

ROOT = Path(__file__).resolve().parents[3]


def one_device():
    return Mesh(np.asarray(jax.devices()[:1]), (ROWS,))


def test_the_body_times_its_trips_is_the_product():
    """The selection's own FLOPs cancel between two widths: 2 n^2 d remains, to a percent."""
    n, block = 4_096, 64
    one, two = (
        read_costs(aot_programs.smoothing_body(one_device(), n, d, block=block).compile())[0]
        for d in (128, 256)
    )
    assert (two - one) * (n // block) == pytest.approx(2 * n**2 * 128, rel=0.01)
    assert one * (n // block) > 2 * n**2 * 128


def test_a_loop_is_counted_once():
    """Half the trips of twice the size: the program's count grows as one body's does."""
    flops = [
        read_costs(aot_programs.smoothing(one_device(), 4_096, 128, block=b).compile())[0]
        for b in (32, 64)
    ]
    body = [
        read_costs(aot_programs.smoothing_body(one_device(), 4_096, 128, block=b).compile())[0]
        for b in (32, 64)
    ]
    assert flops[1] - flops[0] == pytest.approx(body[1] - body[0], rel=0.1)
    assert flops[1] < 2 * body[1]


def test_the_smoothing_compiles_for_chips_and_fits(tmp_path):
    """One v5e chip and four: the table holds what fits, and FLOPs of the whole problem."""
    pytest.importorskip("libtpu", reason="no libtpu wheel: pip install '.[tpu]'")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [
            sys.executable,
            str(ROOT / "experiments" / "bench" / "tpu_aot.py"),
            "--slices",
            "v5e:2x2/1",
            "v5e:2x2",
            "--n",
            "100000",
            "--out",
            str(tmp_path / "aot"),
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
        timeout=300,
    )
    with (tmp_path / "aot.csv").open() as file:
        one, four = csv.DictReader(file)
    for row, n_chips in ((one, 1), (four, 4)):
        features_gib = 100_000 * 128 * 4 / n_chips / 2**30
        assert features_gib < float(row["gib"]) < float(row["memory"]) == 16
        assert 1 < float(row["to_product"]) < 2
        assert float(row["floor_s"]) < float(row["estimated_s"]) < 20 * float(row["floor_s"])
    assert float(four["floor_s"]) == pytest.approx(float(one["floor_s"]) / 4)
    assert float(four["gib"]) < float(one["gib"])
