"""The compiled step: what it computes, and that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from toy_models import WINDOW, Heads, Reconstruction, take_step, toy_autoencoder, toy_extractor

from jax_dns.discriminative.serial_oe import serial_oe_loss
from jax_dns.training.steps import (
    abstract_state,
    create_state,
    initial_state,
    jitted_apply,
    train_step,
)


def copied(state):
    return jax.tree.map(jnp.copy, state)


def test_a_step_is_adam_on_the_loss(rng):
    model = toy_autoencoder(2 * WINDOW, learning_rate=1e-2)
    audio = jnp.asarray(rng.normal(size=(6, 2 * WINDOW)), jnp.float32)
    state = initial_state(model, 0)
    windows = audio.reshape(-1, WINDOW)

    def loss(params):
        variables = {"params": params, "batch_stats": state.batch_stats}
        out, _ = Reconstruction().apply(variables, windows, train=True, mutable=["batch_stats"])
        return ((windows - out) ** 2).mean()

    value, grads = jax.value_and_grad(loss)(state.params)
    optimizer = optax.adam(1e-2)
    updates, _ = optimizer.update(grads, optimizer.init(state.params))
    expected = optax.apply_updates(state.params, updates)
    before = copied(state.batch_stats)
    after, got = take_step(model, copied(state), audio)
    np.testing.assert_allclose(got, value, rtol=1e-5)

    def compare(a, b, gradient):
        # A bias before BatchNorm has no gradient but rounding, which Adam blows up to full size.
        told = np.abs(gradient) > 1e-6
        np.testing.assert_allclose(a[told], b[told], atol=2e-5)

    jax.tree.map(compare, after.params, expected, grads)
    assert int(after.step) == 1
    assert not np.allclose(before["BatchNorm_0"]["mean"], after.batch_stats["BatchNorm_0"]["mean"])


def extractor_batch(rng):
    audio = rng.normal(size=(32, 40)).astype(np.float32)
    is_target = np.repeat(np.float32([1, 0]), 16)
    audio[:16] += np.float32(np.sin(np.arange(40)))
    section = np.zeros((32, 3), np.float32)
    section[np.arange(16), np.arange(16) % 3] = 1
    return jnp.asarray(audio), jnp.asarray(is_target), jnp.asarray(section)


def rates(learning_rate, b1=0.9):
    return {"learning_rate": np.float32(learning_rate), "b1": np.float32(b1)}


def test_the_key_is_the_seeds_and_the_steps(rng):
    model = toy_extractor(40, mixup_alpha=0.0, lambda_id=2.0)
    state = initial_state(model, 0)
    audio, is_target, section = extractor_batch(rng)
    key = jax.random.fold_in(jax.random.key(3), 1)
    _, dropout = jax.random.split(jax.random.fold_in(key, 0))
    out, _ = Heads().apply(
        state.variables,
        audio.reshape(len(audio), 8, -1),
        train=True,
        mutable=["batch_stats"],
        rngs={"dropout": dropout},
    )
    expected = serial_oe_loss(out, is_target, section, lambda_id=2.0)
    _, loss = train_step(model)(state, audio, np.uint32(3), is_target, section, {}, rates(1e-3))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_it_learns_and_its_randomness_is_the_steps(rng):
    model = toy_extractor(40)
    audio, is_target, section = extractor_batch(rng)
    runs = []
    for _ in range(2):
        state, losses = initial_state(model, 0), []
        for _ in range(80):
            state, loss = train_step(model)(
                state, audio, np.uint32(3), is_target, section, {}, rates(1e-2)
            )
            losses.append(float(loss))
        runs.append(losses)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 80
    assert np.mean(runs[0][-10:]) < 0.8 * np.mean(runs[0][:5])
    feature = jitted_apply(model)(state.variables, audio)
    logit = feature @ state.params["Dense_1"]["kernel"]
    assert logit[:16].mean() > logit[16:].mean() + 1


def test_rate_0_changes_statistics_only(rng):
    model = toy_extractor(40)
    state = initial_state(model, 0)
    before = copied(state)
    audio, is_target, section = extractor_batch(rng)
    after, _ = train_step(model)(state, audio, np.uint32(1), is_target, section, {}, rates(0.0))
    jax.tree.map(np.testing.assert_array_equal, after.params, before.params)
    assert not np.allclose(
        after.batch_stats["BatchNorm_0"]["mean"], before.batch_stats["BatchNorm_0"]["mean"]
    )


def test_one_step_function_for_equal_models():
    model = toy_autoencoder(40)
    assert train_step(model) is train_step(model)
    assert train_step(model) is not train_step(toy_autoencoder(40))


def test_shapes_and_first_weights_come_from_one_trace():
    model, traces = toy_autoencoder(40), []
    model = model._replace(init=lambda key, init=model.init: traces.append(1) or init(key))
    shapes = abstract_state(model)
    state = initial_state(model, 0)
    jax.tree.map(
        lambda a, b: np.testing.assert_equal((a.shape, a.dtype), (b.shape, b.dtype)), shapes, state
    )
    assert abstract_state(model) is shapes and len(traces) == 1


def test_a_model_without_batch_statistics():
    def init(key):
        return {"params": {"w": jax.random.normal(key, (3,))}}

    model = toy_autoencoder(40)._replace(
        init=init,
        loss=lambda variables, batch, key: (jnp.sum(variables["params"]["w"] ** 2), {}),
    )
    state = create_state(model, jax.random.key(0))
    after, loss = take_step(model, copied(state), np.zeros((2, 40), np.float32))
    np.testing.assert_allclose(loss, np.sum(np.asarray(state.params["w"]) ** 2), rtol=1e-6)
    assert (np.abs(after.params["w"]) < np.abs(state.params["w"])).all()
