"""SIGTERM: the state is saved where it is, the exit code says so, and nothing changes the end."""

import json
import random
import signal
import time

import pytest
from soak.runs import STAGES, assert_same, finish, stage_of, start


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
