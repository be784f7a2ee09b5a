"""Smoothing over several devices and several processes, each in processes of their own."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]


def start(*arguments, devices):
    path = os.pathsep.join(map(str, [TESTS, TESTS.parent]))
    flags = f"--xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [
            sys.executable,
            str(TESTS / "smoothing" / "sharded" / "on_devices.py"),
            *map(str, arguments),
        ],
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    try:
        out, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, errors[-3_000:]
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("case", ["equal", "layouts", "queries"])
def test_on_eight_devices(case):
    assert result(start(case, devices=8)) is True


def test_thresholds_are_those_of_one_device():
    """But for rows whose K-th and next distance are as good as equal."""
    assert max(result(start("same_as_one", devices=8))) <= 4


def test_gradients_flow_to_scores_on_all_devices():
    assert result(start("gradients", devices=8)) == [20]


def test_what_is_refused_is_named_alike():
    *values, k = result(start("refused", devices=8))
    assert values[::2] == values[1::2] and len(values) == 6
    assert "row 333 holds nan" in values[0] and "row 201 is zero" in values[4]
    assert k.startswith("k: 401, expected at most 400")


def test_memory_of_a_device_falls_as_devices_grow():
    """To little more than its share: n = 65,536, d = 128, blocks of 64 rows."""
    sizes = result(start("memory", devices=8))
    for p, size in zip((1, 2, 4, 8), sizes):
        assert size <= 1.1 * sizes[0] / p, sizes


def test_two_processes():
    """Features made where they are: each process gets its rows, equal to one device's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = [start("processes", number, port, devices=2) for number in range(2)]
    for largest, devices, message in [result(process) for process in both]:
        assert devices == 4
        assert largest < 1e-5
        assert "features: row 700 holds nan" in message
