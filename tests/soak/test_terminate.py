"""SIGTERM: the state is saved where it is, the exit code says so, and nothing changes the end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from soak.runs import PROJECT, STAGES, assert_same, finish, stage_of, start


def terminate_in(stage, workdir, delay=0.0):
    """Starts the run and asks it to end in a stage; exit code and what it printed."""
    process = start(workdir)
    names = [*STAGES, "done"]
    while names.index(stage_of(workdir)) < names.index(stage):
        assert process.poll() is None
        time.sleep(0.001)
    time.sleep(delay)
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=60), workdir.with_suffix(".log").read_text()


@pytest.mark.soak
@pytest.mark.parametrize("delay", [3.0, 5.0])
def test_terminated_while_training(undisturbed, tmp_path, delay):
    code, text = terminate_in("train_discriminative", tmp_path / "w", delay)
    assert (
        code == 143 and "jax-dns: error: terminated; run the same command again to resume" in text
    )
    assert "Traceback" not in text
    code, text = finish(tmp_path / "w")
    assert code == 0, text
    assert_same(tmp_path / "w", undisturbed)
    logs = [w / "fan/discriminative/metrics.jsonl" for w in (tmp_path / "w", undisturbed)]
    losses = [[json.loads(line)["loss"] for line in p.read_text().splitlines()] for p in logs]
    assert losses[0] == losses[1]


@pytest.mark.soak
def test_terminated_in_every_stage(undisturbed, tmp_path):
    for stage in list(STAGES)[1:]:
        code, text = terminate_in(stage, tmp_path / "w")
        assert code in (143, 0), (stage, text)  # 0: it was done before the signal came
        assert "Traceback" not in text
    code, text = finish(tmp_path / "w")
    assert code == 0, text
    assert_same(tmp_path / "w", undisturbed)


@pytest.mark.soak
def test_signals_at_random_moments(undisturbed, tmp_path):
    """Start-up, tracing, compiling: none is lost, and what was saved is used by the next run."""
    rng = random.Random(0)
    for number, expected in 8 * [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
        process = start(tmp_path / "w")
        time.sleep(rng.uniform(2.0, 9.0))
        process.send_signal(number)
        code, text = process.wait(timeout=60), (tmp_path / "w.log").read_text()
        assert code in (expected, 0), (number, text)  # 0: it was done before the signal came
        assert "Traceback" not in text
    code, text = finish(tmp_path / "w")
    assert code == 0, text
    assert_same(tmp_path / "w", undisturbed)


def try_signals(seed, number):
    """Each signal ends the command within seconds, with its exit code and one line."""
    script = Path(__file__).with_name("signal_cases.py")
    done = subprocess.run(
        [sys.executable, script, str(seed), str(number)],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(cases) == number, done.stderr
    for case in cases:
        code, word = {"SIGINT": (130, "interrupted"), "SIGTERM": (143, "terminated")}[
            case["signal"]
        ]
        expected = f"jax-dns: error: {word}; run the same command again to resume\n"
        assert (case["code"], case["text"]) == (code, expected), case
    return cases


def test_signals_before_a_training():
    try_signals("few", 8)


@pytest.mark.soak
@pytest.mark.parametrize("block", range(4))
def test_many_signals_before_a_training(block):
    cases = try_signals(block, 50)
    slowest = max(case["seconds"] for case in cases)
    print(f"{len(cases)} signals, the slowest taken after {slowest:.2f} s")
