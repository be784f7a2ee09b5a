"""The normalising flow is one: invertible, with its log-determinant and a density."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jax_dns.errors import InputError
from jax_dns.generative.flow import Flow, StandardisedFlow, contrastive_loss, flow
from jax_dns.generative.log_mel import LogMel
from jax_dns.types import Batch, Facts

MODEL = Flow(n_layers=3, hidden=8)


def moved(tree, size=0.3):
    """Random parameters: at first the last layers are zero and the flow is the identity."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: jnp.asarray(x + size * rng.normal(size=x.shape), x.dtype), tree)


def test_inverts_and_has_the_log_determinant_of_its_jacobian(rng):
    x = rng.normal(size=(4, 5)).astype(np.float32)
    variables = moved(jax.jit(MODEL.init)(jax.random.key(0), x))
    forward = jax.jit(MODEL.apply)
    z, log_det = forward(variables, x)
    assert np.abs(z - x).min() > 1e-4  # every input is moved
    inverse = jax.jit(lambda z: MODEL.apply(variables, z, method="inverse"))
    np.testing.assert_allclose(inverse(z), x, atol=1e-5)
    jacobian = jax.jacfwd(lambda row: MODEL.apply(variables, row[None])[0][0])
    expected = np.linalg.slogdet(jax.jit(jax.vmap(jacobian))(x))[1]
    np.testing.assert_allclose(log_det, expected, atol=1e-5)


def test_the_density_integrates_to_one_in_two_dimensions(rng):
    model = StandardisedFlow(3, 8)
    x = (rng.normal(size=(256, 2)) * [3, 0.5] + [-40, 2]).astype(np.float32)
    variables = jax.jit(lambda k: model.init(k, x, train=False))(jax.random.key(0))
    _, updated = jax.jit(lambda v: model.apply(v, x, train=True, mutable=["batch_stats"]))(
        variables
    )
    variables = {"params": moved(variables["params"], 0.1), **updated}
    axes = [np.linspace(c - w, c + w, 401, dtype=np.float32) for c, w in ((-40, 40), (2, 7))]
    grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2)
    density = np.exp(-np.asarray(model.apply(variables, grid, train=False), np.float64))
    total = density.sum() * np.prod([axis[1] - axis[0] for axis in axes])
    np.testing.assert_allclose(total, 1, atol=2e-3)


def test_the_first_batch_sets_the_statistics(rng):
    model = StandardisedFlow(2, 4)
    x = (5 + 2 * rng.normal(size=(64, 3))).astype(np.float32)
    variables = jax.jit(lambda k: model.init(k, x, train=False))(jax.random.key(0))
    train, updated = model.apply(variables, x, train=True, mutable=["batch_stats"])
    stats = updated["batch_stats"]["Standardise_0"]
    np.testing.assert_allclose(stats["mean"], x.mean(0), rtol=1e-5)
    again = model.apply({**variables, **updated}, x, train=False)
    np.testing.assert_allclose(again, train, rtol=1e-4)


def train(component, batch, n_steps):
    """Trains with Adam; returns the variables and each step's loss."""
    key = jax.random.key(0)
    variables = jax.jit(component.init)(key)
    params, optimizer = variables["params"], optax.adam(1e-2)

    @jax.jit
    def step(params, stats, state):
        (value, stats), grads = jax.value_and_grad(
            lambda p: component.loss({"params": p, "batch_stats": stats}, batch, key), has_aux=True
        )(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), stats, state, value

    stats, state, losses = variables["batch_stats"], optimizer.init(params), []
    for _ in range(n_steps):
        params, stats, state, value = step(params, stats, state)
        losses.append(float(value))
    return {"params": params, "batch_stats": stats}, losses


def test_training_raises_the_likelihood_of_what_it_sees(rng):
    component = flow(
        Facts(16_000, 4_096, n_sections=2), mel=LogMel(n_mels=8), frames=2, n_layers=2, hidden=16
    )
    audio = jnp.asarray(rng.normal(size=(4, 4_096)), jnp.float32)
    zero = np.zeros(4, np.float32)
    variables, losses = train(component, Batch(audio, zero, zero[:, None], {}), 20)
    assert losses[-1] < losses[0] - 0.05
    scores = jax.jit(component.apply)(variables, jnp.concatenate([audio, 5 * audio]))
    assert scores[:4].max() < scores[4:].min()
    np.testing.assert_allclose(scores[:4].mean(), losses[-1], atol=0.2)


def test_contrast_equals_the_formula(rng):
    nll, section = rng.normal(size=(3, 2)), np.array([[1, 0], [0, 1], [0, 1.0]])
    expected = []
    for values, labels in zip(nll, section):
        right = values @ labels
        expected.append(right + 0.7 * (right + np.log(np.exp(-values).sum())))
    got = contrastive_loss(jnp.asarray(nll), jnp.asarray(section), 0.7)
    np.testing.assert_allclose(got, np.mean(expected), rtol=1e-5)


def test_a_conditional_flow_tells_sections_apart(rng):
    """Two sections, of low and of high sounds; the score is that of the likelier section."""
    facts = Facts(16_000, 4_096, n_sections=2)
    component = flow(facts, mel=LogMel(n_mels=8), frames=1, n_layers=2, hidden=16, contrast=1.0)
    t = np.arange(4_096) / 16_000
    tones = np.stack([np.sin(2 * np.pi * f * t) for f in (300, 320, 3000, 3100)])
    audio = jnp.asarray(tones + 0.05 * rng.normal(size=tones.shape), jnp.float32)
    section = jnp.eye(2)[jnp.asarray([0, 0, 1, 1])]
    variables, losses = train(component, Batch(audio, jnp.ones(4), section, {}), 60)
    swapped = Batch(audio, jnp.ones(4), section[:, ::-1], {})
    wrong, _ = jax.jit(component.loss)(variables, swapped, jax.random.key(0))
    assert losses[-1] < losses[0] and float(wrong) > losses[-1] + 0.3
    scores = jax.jit(component.apply)(variables, audio)
    assert scores.shape == (4,) and float(scores.mean()) < losses[-1] + 0.2
    with pytest.raises(InputError, match=r"contrast: -1\.0, expected 0 or more"):
        flow(facts, contrast=-1.0)
