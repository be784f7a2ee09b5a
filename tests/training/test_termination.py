"""SIGTERM in a training: saved at the step that it comes in, and the end is the same."""

import json
import os
import signal

import jax
import numpy as np
import pytest
from toy_models import take_step, toy_autoencoder

from jax_dns import preemption
from jax_dns.training import checkpoints
from jax_dns.training.epochs import BatchSpec, from_cache
from jax_dns.training.loop import is_trained, train_loop
from jax_dns.training.steps import initial_state

MODEL = toy_autoencoder(40)


def step(state, audio, number):
    audio = np.random.default_rng(int(number)).normal(size=(4, 40)).astype(np.float32)
    return take_step(MODEL, state, audio)


def train(folder, *, signal_at=(), **options):
    """Four epochs of three steps, through the feed that trainings use."""

    def plan(number):
        return BatchSpec(np.zeros(0, np.int64), np.zeros(0, np.int64), (np.int64(number),))

    def signalling(state, audio, number):
        if int(number) in signal_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(state, audio, number)

    options = dict(epochs=4, steps_per_epoch=3, clips_per_step=4, save_every=4) | options
    return train_loop(
        lambda: initial_state(MODEL, 0),
        from_cache(signalling, [], plan, segment=40),
        folder=folder,
        **options,
    )


def losses(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [(r["step"], r["epoch"], r["loss"]) for r in map(json.loads, lines)]


@pytest.mark.parametrize("at", [0, 2, 4, 11])
def test_saved_at_its_step_and_gone_on_from_there(tmp_path, at):
    undisturbed = train(tmp_path / "a")
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(preemption.Terminated) as error:
        train(tmp_path / "b", signal_at=[at])
    assert error.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is handler
    assert checkpoints.latest_step(tmp_path / "b/checkpoints/last") == at + 1
    resumed = train(tmp_path / "b", signal_at=range(at + 1))
    jax.tree.map(np.testing.assert_array_equal, resumed, undisturbed)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")


def test_every_step_terminated(tmp_path):
    undisturbed = train(tmp_path / "a")
    for at in range(12):
        with pytest.raises(preemption.Terminated):
            train(tmp_path / "b", signal_at=[at])
    jax.tree.map(np.testing.assert_array_equal, train(tmp_path / "b"), undisturbed)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.jsonl", '{"step": 3'),
        ("checkpoints/last/3/files.json", "[]"),
        ("checkpoints/best/3/files.json", ""),
    ],
)
def test_what_is_damaged_is_trained_again(tmp_path, name, content):
    """With the best state kept, all three are needed; without one it starts over."""
    options = dict(validate=lambda state: float(state.step), checkpoint="best", save_every=1)
    undisturbed = train(tmp_path / "a", **options)
    with pytest.raises(preemption.Terminated):
        train(tmp_path / "b", signal_at=[2], **options)
    (tmp_path / "b" / name).write_text(content)
    assert (
        not is_trained(tmp_path / "b", checkpoint="best") or name != "checkpoints/best/3/files.json"
    )
    again = train(tmp_path / "b", **options)
    jax.tree.map(np.testing.assert_array_equal, again, undisturbed)
    assert int(again.step) == 3 and losses(tmp_path / "a") == losses(tmp_path / "b")
