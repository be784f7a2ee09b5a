"""The lines of a training without a terminal."""

import itertools
import re
import time

import pytest

from jax_dns import heartbeat
from jax_dns.training.progress import Progress

RECORD = {"epoch": 1, "loss": 2.0, "valid_loss": 3.0, "clips_per_second": 40.0}


def test_the_lines_of_a_training(monkeypatch, capsys):
    monkeypatch.setattr(heartbeat, "EVERY", 0.05)
    with Progress("fan AE, seed 0", epochs=3, steps_per_epoch=2) as progress:
        time.sleep(0.08)
        for _ in range(3):
            progress.advance(1)
        progress.end_epoch(RECORD)
        time.sleep(0.08)
        for _ in range(3):
            progress.advance(1)
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("fan AE, seed 0: ") for line in lines)
    texts = [line.removeprefix("fan AE, seed 0: ") for line in lines]
    texts = [text for text, _ in itertools.groupby(texts)]  # a busy machine prints some twice
    assert texts[:3] == [
        "compiling ...",
        "compiling for 0 s",
        "compiled, first step done, in 0 s",
    ]
    at_work = "epoch 2 of 3, step 3 of 6, loss 2, validation loss 3, 40 clips/s, about 0 s left"
    assert at_work in texts[3:-1]
    assert texts[-1] == "trained in 0 s, loss 2, validation loss 3"


def test_the_time_left_leaves_compiling_out(monkeypatch, capsys):
    monkeypatch.setattr(heartbeat, "EVERY", 1e9)
    now = iter([0.0, 100.0, 110.0])  # started, first step done, asked
    monkeypatch.setattr("jax_dns.training.progress.time.monotonic", lambda: next(now))
    progress = Progress("fan", epochs=1, steps_per_epoch=101)
    for _ in range(11):  # ten steps in ten seconds
        progress.advance(1)
    assert "step 11 of 101, about 1 min 30 s left" in progress._line()


def test_a_resumed_training_says_where(capsys):
    with Progress("fan", epochs=3, steps_per_epoch=2, done=4) as progress:
        progress.advance(2)
    out = capsys.readouterr().out
    assert "fan: resumes at epoch 2 of 3, step 4 of 6" in out
    assert re.search("compiled, first 2 steps, one program, done, in 0 s", out)


@pytest.mark.parametrize("done", [0, 4])
def test_the_first_steps_are_those_that_are_compiled(done):
    with Progress("fan", epochs=3, steps_per_epoch=2, done=done) as progress:
        assert [progress.advance(1) for _ in range(2)] == [True, False]


def test_a_finished_training_says_nothing(capsys):
    with Progress("fan", epochs=3, steps_per_epoch=2, done=0):
        capsys.readouterr()
    with Progress("fan", epochs=3, steps_per_epoch=2, done=6):
        pass
    assert "compiling" not in capsys.readouterr().out
