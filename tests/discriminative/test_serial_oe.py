"""What follows the trunk: pooling, two nonlinear transformations, both heads."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.discriminative import serial_oe, timm_weights
from jax_dns.discriminative.mel_input import MelInput, mel_transform
from jax_dns.discriminative.serial_oe import Extractor, ExtractorSettings
from jax_dns.errors import InputError
from jax_dns.types import Batch, Facts


class Trunk(nn.Module):
    """Stands for EfficientNet-B0: three channels that tell what they were given."""

    bn_momentum: float = 0.99
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
    outputs(Extractor(n_sections=2, in_channels=3), x)
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


FACTS = Facts(16_000, segment_samples=8_192, n_sections=2)
MEL = MelInput(n_mels=16)


def test_the_network_sees_the_settings_spectrogram(rng, monkeypatch):
    seen = []
    monkeypatch.setattr(Trunk, "__call__", lambda self, x, *, train: seen.append(x) or x)
    audio = jnp.asarray(rng.normal(size=(1, 8_192)), jnp.float32)
    mel = MelInput(n_mels=16, log=True)
    component = serial_oe.serial_oe(FACTS, mel=mel)
    component.apply(component.init(jax.random.key(0)), audio)
    np.testing.assert_array_equal(seen[-1][..., 0], mel_transform(FACTS, mel)(audio))


def test_the_validation_loss_is_eq_3_without_mixup(rng):
    component = serial_oe.serial_oe(FACTS, mel=MEL)
    audio = jnp.asarray(rng.normal(size=(4, 8_192)), jnp.float32)
    variables = component.init(jax.random.key(0))
    section = jnp.asarray([[1, 0], [0, 1], [0, 0], [0, 0]], jnp.float32)
    batch = Batch(audio, jnp.asarray([1.0, 1, 0, 0]), section, {})
    per_item = component.validation_loss(variables, batch)
    assert per_item.shape == (4,)
    model = Extractor(n_sections=2)
    x = mel_transform(FACTS, MEL)(audio)
    output = model.apply(variables, x, train=False)
    expected = serial_oe.serial_oe_loss(output, batch.is_target, section)
    np.testing.assert_allclose(per_item.mean(), expected, rtol=1e-5)


def test_first_weights_come_from_a_file(tmp_path, monkeypatch):
    """Those of the trunk; the others stay random."""
    given = {"params": {"scale": np.full(3, 7.0, np.float32)}, "batch_stats": {}}
    monkeypatch.setattr(timm_weights, "load_timm", lambda path, *, in_channels: given)
    component = serial_oe.serial_oe(
        FACTS, mel=MEL, net=ExtractorSettings(initial_weights="weights.npz")
    )
    plain = serial_oe.serial_oe(FACTS, mel=MEL).init(jax.random.key(0))
    got = component.init(jax.random.key(0))
    assert got["params"]["trunk"] is given["params"]
    np.testing.assert_array_equal(
        got["params"]["Dense_0"]["kernel"], plain["params"]["Dense_0"]["kernel"]
    )


@pytest.mark.parametrize("field", ["head", "dtype"])
def test_a_field_outside_of_its_choices(field):
    with pytest.raises(InputError, match=f"{field}: 'wrong', expected .* or "):
        serial_oe.serial_oe(FACTS, net=ExtractorSettings(**{field: "wrong"}))
