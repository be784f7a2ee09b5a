"""Compiled steps: what they compute, and that they learn."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jax_dns.discriminative.serial_oe import ExtractorOutput
from jax_dns.generative.autoencoder import Autoencoder
from jax_dns.training.losses import serial_oe_loss
from jax_dns.training.optimizers import OneCycle
from jax_dns.training.steps import autoencoder_steps, extractor_steps


class Small(nn.Module):
    """An extractor with the real one's outputs, dropout and statistics, and no trunk."""

    @nn.compact
    def __call__(self, spectrogram, *, train):
        x = spectrogram.reshape(len(spectrogram), -1)
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(x))
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return ExtractorOutput(x, nn.Dense(1)(x)[:, 0], nn.Dense(3)(x))


def windows(audio):
    return audio.reshape(len(audio), -1, 20)


def columns(audio):
    return audio.reshape(len(audio), 8, -1)


def copied(state):
    return jax.tree.map(jnp.copy, state)


def test_autoencoder_step_is_adam_on_eq_1(rng):
    model = Autoencoder()
    steps = autoencoder_steps(model, windows, n_samples=40, learning_rate=1e-2)
    audio = jnp.asarray(rng.normal(size=(6, 40)), jnp.float32)
    state = steps.create(jax.random.key(0))
    flat = audio.reshape(-1, 20)

    def loss(params):
        variables = {"params": params, "batch_stats": state.batch_stats}
        out, _ = model.apply(variables, flat, train=True, mutable=["batch_stats"])
        return ((flat - out) ** 2).mean()

    value, grads = jax.value_and_grad(loss)(state.params)
    optimiser = optax.adam(1e-2)
    updates, _ = optimiser.update(grads, optimiser.init(state.params))
    expected = optax.apply_updates(state.params, updates)
    before = copied(state.batch_stats)
    after, got = steps.train(copied(state), audio)
    np.testing.assert_allclose(got, value, rtol=1e-5)

    def compare(a, b, gradient):
        # A bias before BatchNorm has no gradient but rounding, which Adam blows up to full size.
        told = np.abs(gradient) > 1e-6
        np.testing.assert_allclose(a[told], b[told], atol=2e-5)

    jax.tree.map(compare, after.params, expected, grads)
    assert int(after.step) == 1
    assert not np.allclose(before["BatchNorm_0"]["mean"], after.batch_stats["BatchNorm_0"]["mean"])


def test_autoencoder_learns(rng):
    steps = autoencoder_steps(Autoencoder(), windows, n_samples=400)
    base = np.sin(np.outer(rng.uniform(0.5, 2, 16), np.arange(400)))
    state = steps.create(jax.random.key(0))
    losses = []
    for _ in range(60):
        state, loss = steps.train(state, jnp.asarray(base, jnp.float32))
        losses.append(float(loss))
    assert losses[-1] < 0.6 * losses[0]


def extractor_batch(rng):
    audio = rng.normal(size=(32, 40)).astype(np.float32)
    machine = np.repeat(np.float32([1, 0]), 16)
    audio[:16] += np.float32(np.sin(np.arange(40)))
    section = np.zeros((32, 3), np.float32)
    section[np.arange(16), np.arange(16) % 3] = 1
    return jnp.asarray(audio), jnp.asarray(machine), jnp.asarray(section)


def test_extractor_loss_is_eq_3_after_mixup(rng):
    steps = extractor_steps(Small(), columns, n_samples=40, mixup_alpha=0.0, lambda_id=2.0)
    state = steps.create(jax.random.key(0))
    batch = extractor_batch(rng)
    key = jax.random.fold_in(jax.random.key(3), 1)
    _, dropout = jax.random.split(jax.random.fold_in(key, 0))
    out, _ = Small().apply(
        state.variables,
        columns(batch[0]),
        train=True,
        mutable=["batch_stats"],
        rngs={"dropout": dropout},
    )
    expected = serial_oe_loss(out.machine_logit, out.section_logit, *batch[1:], lambda_id=2.0)[0]
    _, loss = steps.train(state, batch[0], 3, *batch[1:], OneCycle(1e-3, 0.9))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_extractor_learns_and_its_randomness_is_the_steps(rng):
    steps = extractor_steps(Small(), columns, n_samples=40)
    batch = extractor_batch(rng)
    runs = []
    for _ in range(2):
        state, losses = steps.create(jax.random.key(0)), []
        for _ in range(80):
            state, loss = steps.train(state, batch[0], 3, *batch[1:], OneCycle(1e-2, 0.9))
            losses.append(float(loss))
        runs.append(losses)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 80
    assert np.mean(runs[0][-10:]) < 0.8 * np.mean(runs[0][:5])
    logit = steps.extract(state.variables, batch[0]).machine_logit
    assert logit[:16].mean() > logit[16:].mean() + 1


def test_rate_0_changes_statistics_only(rng):
    steps = extractor_steps(Small(), columns, n_samples=40)
    state = steps.create(jax.random.key(0))
    before = copied(state)
    audio, *labels = extractor_batch(rng)
    after, _ = steps.train(state, audio, 1, *labels, OneCycle(0.0, 0.9))
    jax.tree.map(np.testing.assert_array_equal, after.params, before.params)
    assert not np.allclose(
        after.batch_stats["BatchNorm_0"]["mean"], before.batch_stats["BatchNorm_0"]["mean"]
    )


def test_initial_weights_replace_a_submodules(rng):
    plain = extractor_steps(Small(), columns, n_samples=40).create(jax.random.key(0))
    given = {
        "BatchNorm_0": {
            "params": {"scale": jnp.full(8, 3.0), "bias": jnp.zeros(8)},
            "batch_stats": {"mean": jnp.ones(8), "var": jnp.ones(8)},
        }
    }
    steps = extractor_steps(Small(), columns, n_samples=40, initial=given)
    state = steps.create(jax.random.key(0))
    assert (state.params["BatchNorm_0"]["scale"] == 3).all()
    assert (state.batch_stats["BatchNorm_0"]["mean"] == 1).all()
    np.testing.assert_array_equal(
        state.params["Dense_0"]["kernel"], plain.params["Dense_0"]["kernel"]
    )
