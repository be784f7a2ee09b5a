"""The loop: resuming, logging, stopping."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_models import take_step, toy_autoencoder

from jax_dns.errors import InputError
from jax_dns.training.loop import restore_trained, train_loop
from jax_dns.training.steps import initial_state, train_step

MODEL = toy_autoencoder(40)


def step(state, number):
    audio = np.random.default_rng(number).normal(size=(4, 40)).astype(np.float32)
    return take_step(MODEL, state, audio)


def train(folder, take=step, **options):
    def epoch(state, numbers, advance):
        losses = []
        for number in numbers:
            state, loss = take(state, number)
            losses.append(loss)
            advance(1)
        return state, losses

    options = dict(epochs=6, steps_per_epoch=3, clips_per_step=4, save_every=2) | options
    return train_loop(lambda: initial_state(MODEL, 0), epoch, folder=folder, **options)


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def log(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("broken_at", [0, 2, 5, 6, 7, 13, 17])
def test_resumed_is_bit_identical_to_undisturbed(tmp_path, broken_at):
    undisturbed = train(tmp_path / "a")
    done = []

    def breaking(state, number):
        if number == broken_at and number not in done:
            raise KeyboardInterrupt
        done.append(number)
        return step(state, number)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", breaking)
    first = len(done)
    resumed = train(tmp_path / "b")
    equal(resumed, undisturbed)
    assert int(resumed.step) == 18 and first == broken_at
    strip = lambda rows: [(r["step"], r["loss"]) for r in rows]  # noqa: E731
    assert strip(log(tmp_path / "a")) == strip(log(tmp_path / "b"))


def test_a_resumed_training_compiles_nothing_anew(tmp_path):
    compiled = train_step(MODEL)
    compiled.clear_cache()
    train(tmp_path, epochs=2)
    train(tmp_path, epochs=4)
    assert compiled._cache_size() == 1


def test_finished_training_takes_no_step(tmp_path):
    state = train(tmp_path)
    again = train(tmp_path, lambda *_: pytest.fail("trained again"))
    equal(again, state)
    equal(restore_trained(tmp_path, jax.eval_shape(lambda: state)), state)
    assert restore_trained(tmp_path / "nothing", state) is None


def test_non_finite_loss_stops_with_its_step(tmp_path):
    def exploding(state, number):
        state, loss = step(state, number)
        return state, jnp.where(number == 10, jnp.nan, loss)

    with pytest.raises(InputError, match=r"toy: the loss at step 10 is nan.*lower learning rate"):
        train(tmp_path, exploding, title="toy")
    assert [r["step"] for r in log(tmp_path)] == [3, 6, 9]  # each epoch, at once
    assert int(train(tmp_path).step) == 18


def test_log_holds_loss_rate_and_validation(tmp_path):
    train(tmp_path, validate=lambda state: float(state.step), validate_every=4)
    rows = log(tmp_path)
    assert [r["epoch"] for r in rows] == [1, 2, 3, 4, 5, 6]
    assert [r.get("valid_loss") for r in rows] == [None, None, None, 12.0, None, 18.0]
    assert all(r["clips_per_second"] > 0 and np.isfinite(r["loss"]) for r in rows)


def test_best_keeps_the_lowest_validation_loss(tmp_path):
    losses = {3: 5.0, 6: 2.0, 9: 4.0, 12: 3.0, 15: 9.0, 18: 8.0}
    options = dict(validate=lambda state: losses[int(state.step)], checkpoint="best")
    assert int(train(tmp_path, **options).step) == 6
    assert int(restore_trained(tmp_path, train(tmp_path, **options), checkpoint="best").step) == 6


def test_best_survives_an_interruption(tmp_path):
    """Stopped between the best state's checkpoint and the next regular one."""
    losses = {3: 5.0, 6: 4.0, 9: 1.0, 12: 3.0, 15: 9.0, 18: 8.0}
    options = dict(validate=lambda state: losses[int(state.step)], checkpoint="best", save_every=4)

    def breaking(state, number):
        if number == 10:
            raise KeyboardInterrupt
        return step(state, number)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, breaking, **options)
    assert int(train(tmp_path, **options).step) == 9


def test_tensorboard_files(tmp_path):
    pytest.importorskip("tensorboardX", reason="extra tb")
    train(tmp_path, tensorboard=True)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_profile_leaves_a_trace_of_the_second_epoch(tmp_path):
    train(tmp_path, epochs=2, profile=True)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
