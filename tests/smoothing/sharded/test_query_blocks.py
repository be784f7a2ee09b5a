"""Smoothing over several devices and several processes, each in processes of their own."""

import json
import socket
import subprocess
import sys

import pytest
from child_processes import TESTS, environment


def start(*arguments, devices):
    return subprocess.Popen(
        [
            sys.executable,
            str(TESTS / "smoothing" / "sharded" / "on_devices.py"),
            *map(str, arguments),
        ],
        env=environment(devices=devices),
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


@pytest.fixture(scope="module")
def values():
    """What the cases of `on_devices` return on eight devices."""
    cases = "equal", "layouts", "queries", "same_as_one", "bins", "gradients", "refused", "memory"
    return result(start(*cases, devices=8))


@pytest.mark.parametrize("case", ["equal", "layouts", "queries"])
def test_on_eight_devices(values, case):
    assert values[case] is True, values[case]


def test_thresholds_are_those_of_one_device(values):
    """But for rows whose K-th and next distance are as good as equal."""
    assert max(values["same_as_one"]) <= 4, values["same_as_one"]


def test_a_tpus_bins_on_eight_devices(values):
    assert values["bins"] == [True, 5], values["bins"]


def test_gradients_flow_to_scores_on_all_devices(values):
    assert values["gradients"] == [20]


def test_what_is_refused_is_named_as_on_one_device(values):
    *messages, k = values["refused"]
    assert messages[::2] == messages[1::2] and len(messages) == 6
    assert "row 333 holds nan" in messages[0] and "row 201 is zero" in messages[4]
    assert k.startswith("k: 401, expected at most 400")


def test_memory_of_a_device_falls_as_devices_grow(values):
    """To little more than its share: n = 65,536, d = 128, blocks of 64 rows."""
    sizes = values["memory"]
    for p, size in zip((1, 2, 8), sizes, strict=True):
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
