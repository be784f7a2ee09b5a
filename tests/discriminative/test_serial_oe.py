"""What follows the trunk: pooling, two nonlinear transformations, both heads."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.discriminative import serial_oe
from jax_dns.discriminative.serial_oe import Extractor


class Trunk(nn.Module):
    """Stands for EfficientNet-B0: three channels that tell what they were given."""

    bn_momentum: float = 0.99
    drop_path: float = 0.0
    dtype: type = jnp.float32

    def __call__(self, x, *, train):
        return jnp.stack([x.sum(-1), x[..., 0], jnp.full(x.shape[:-1], x.shape[-1])], axis=-1)


@pytest.fixture(autouse=True)
def small_trunk(monkeypatch):
    monkeypatch.setattr(serial_oe, "EfficientNetB0", Trunk)


def outputs(model, x, **options):
    variables = model.init(jax.random.key(0), x, train=False)
    return variables, model.apply(variables, x, train=False, **options)


def test_layers_in_order(rng):
    x = jnp.asarray(rng.normal(size=(5, 4, 6)), jnp.float32)
    variables, out = outputs(Extractor(n_sections=3, feature_dim=7), x)
    p = jax.tree.map(np.asarray, variables["params"])
    pooled = np.stack([x.mean((1, 2))] * 2 + [np.ones(5)], axis=1)
    hidden = pooled @ p["Dense_0"]["kernel"] / np.sqrt(1 + 1e-5)
    hidden = np.where(hidden > 0, hidden, 0.25 * hidden)
    feature = hidden @ p["feature"]["kernel"]
    np.testing.assert_allclose(out.feature, feature, rtol=1e-4, atol=1e-5)
    machine = feature @ p["machine_head"]["kernel"]
    np.testing.assert_allclose(out.machine_logit, machine[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        out.section_logit, feature @ p["section_head"]["kernel"], rtol=1e-4, atol=1e-5
    )


def test_norm_head_sees_the_features_length_only(rng):
    x = jnp.asarray(rng.normal(size=(5, 4, 6)), jnp.float32)
    variables, out = outputs(Extractor(n_sections=3, feature_dim=7, head="norm"), x)
    head = variables["params"]["machine_head"]
    expected = (np.asarray(out.feature) ** 2).mean(1) * float(head["kernel"][0, 0])
    np.testing.assert_allclose(out.machine_logit, expected, rtol=1e-4, atol=1e-6)


def test_the_spectrogram_is_repeated_over_channels(rng, monkeypatch):
    seen = []
    monkeypatch.setattr(Trunk, "__call__", lambda self, x, *, train: seen.append(x) or x)
    x = jnp.asarray(rng.normal(size=(2, 4, 6)), jnp.float32)
    outputs(Extractor(n_sections=2, n_channels=3), x)
    assert seen[0].shape == (2, 4, 6, 3)
    np.testing.assert_array_equal(seen[0][..., 2], x)


def test_dropout_while_training_only(rng):
    x = jnp.asarray(rng.normal(size=(64, 4, 6)), jnp.float32)
    model = Extractor(n_sections=2)
    variables, first = outputs(model, x)
    np.testing.assert_array_equal(first.feature, model.apply(variables, x, train=False).feature)

    def trained(seed):
        out, _ = model.apply(
            variables,
            x,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(seed)},
        )
        return np.asarray(out.feature)

    assert not np.allclose(trained(0), trained(1))
