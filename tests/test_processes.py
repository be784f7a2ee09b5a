"""Two processes on this host train, embed and smooth one run."""

import json
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from child_processes import TESTS, environment

from jax_dns import cli, processes
from jax_dns.segments_file import read_segments

CONFIG = TESTS / "toy_config.py"


def start(workdir, *options, devices=1):
    """`jax-dns run` as a process of its own."""
    arguments = [f"--config={CONFIG}", f"--workdir={workdir}", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "jax_dns", "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(devices=devices),
    )


def start_two(workdir, *options):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = ["--distributed", f"--coordinator=127.0.0.1:{port}", "--num-processes=2"]
    return [start(workdir, *common, f"--process-id={i}", *options) for i in range(2)]


def end(started, code=0):
    """Output and errors of each."""
    try:
        texts = [process.communicate(timeout=300) for process in started]
    finally:
        for process in started:
            process.kill()  # nothing where it has ended
            process.wait()
    if code is not None:
        assert [process.returncode for process in started] == [code] * len(started), texts
    return texts


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A workdir that two processes have finished, and what they printed."""
    workdir = tmp_path_factory.mktemp("two") / "w"
    return workdir, end(start_two(workdir))


def test_two_processes_end_as_one_with_two_devices_does(together, tmp_path):
    workdir, _ = together
    end([start(tmp_path / "w", devices=2)])
    for machine in ("fan", "valve"):
        ours, theirs = (
            read_segments(w / machine / "segments.npz")[0] for w in (workdir, tmp_path / "w")
        )
        np.testing.assert_array_equal(ours.clip, theirs.clip)
        np.testing.assert_allclose(ours.score, theirs.score, rtol=1e-4)
        np.testing.assert_allclose(ours.feature, theirs.feature, rtol=1e-3, atol=1e-4)
    left, right = (
        json.loads((w / "results.json").read_text())["readings"] for w in (workdir, tmp_path / "w")
    )
    assert left.keys() == right.keys() and left["pooled"].keys() == {"fan", "valve"}


def test_one_writes_and_prints(together):
    workdir, ((out, _), (silence, _)) = together
    assert "plan:" in out and "All-hmean" in out
    assert all(line.startswith("[Gloo]") for line in silence.splitlines())  # not Python's
    for kind in ("generative", "discriminative"):
        lines = (workdir / f"fan/{kind}/metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    left = [p for p in workdir.rglob("*") if ".partial" in p.name or "-tmp-" in p.name]
    assert not left and not (workdir / ".lock_owner.json").exists()


def test_a_shared_run_goes_on_alone_and_shared(together, capsys):
    """The second time with the recordings in the devices' memory."""
    workdir, _ = together
    assert cli.main(["run", f"--config={CONFIG}", f"--workdir={workdir}"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    more = ["--config.discriminative.epochs=4", "--config.data.cache_on_device=yes"]
    (out, _), _ = end(start_two(workdir, *more))
    assert "discriminative.epochs is 4, was 3" in out and "fan AE" not in out
    assert "training recordings on the device" in out
    assert "fan toy SerialOE, seed 0: trained in" in out


def test_an_error_of_the_first_ends_both(tmp_path):
    """The second waits for the recordings; the message of its end is JAX's."""
    both = start_two(tmp_path / "w", f"--config.data.root={tmp_path / 'nowhere'}")
    (_, errors), _ = end(both, code=None)
    assert both[0].returncode == 1 and len(errors.splitlines()) == 1
    assert "nowhere is not a folder" in errors
    assert both[1].returncode not in (0, -signal.SIGKILL)


def test_one_process_is_the_first():
    assert processes.is_first() and not processes.are_several()
    assert processes.of_first(True) is True and processes.of_first(False) is False


def test_an_incomplete_command_line_is_one_line(tmp_path, capsys):
    arguments = [f"--config={CONFIG}", f"--workdir={tmp_path / 'w'}", "--distributed"]
    assert cli.main(["run", *arguments]) == 2
    errors = capsys.readouterr().err
    assert len(errors.splitlines()) == 1 and "--distributed: " in errors
