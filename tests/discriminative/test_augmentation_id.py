"""The network that tells augmentations from each other."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.discriminative import augmentation_id as module
from jax_dns.discriminative.augmentation_id import (
    AugmentationOutput,
    augmentation_id,
    augmentation_loss,
)
from jax_dns.discriminative.mel_input import MelInput
from jax_dns.errors import InputError
from jax_dns.training.steps import create_state
from jax_dns.types import Batch, Facts

FACTS = Facts(16_000, 16_000, n_sections=5)
MEL = MelInput(n_mels=32, hop_length=512)


def batch_of(audio, n_sections=5):
    section = jnp.eye(n_sections)[jnp.arange(len(audio)) % n_sections]
    return Batch(audio, jnp.ones(len(audio)), section, {})


def test_the_loss_is_the_sum_of_two_cross_entropies(rng):
    sections, changes = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    section, kind = np.array([[1, 0, 0, 0], [0, 0.3, 0.7, 0], [0, 0, 0, 1.0]]), np.array([0, 1, 1])

    def log_softmax(x):
        return x - np.log(np.exp(x).sum(1, keepdims=True))

    expected = -(section * log_softmax(sections)).sum(1).mean()
    expected -= log_softmax(changes)[np.arange(3), kind].mean()
    output = AugmentationOutput(jnp.zeros((3, 1)), jnp.asarray(sections), jnp.asarray(changes))
    np.testing.assert_allclose(augmentation_loss(output, section, kind), expected, rtol=1e-5)


class Trunk(nn.Module):
    """Stands for EfficientNet-B0: keeps what it was given."""

    bn_momentum: float = 0.99
    seen = []  # noqa: RUF012

    @nn.compact
    def __call__(self, x, *, train):
        self.variable("batch_stats", "x", jnp.zeros, 1)
        self.seen.append(x)
        return x


def test_a_segment_is_changed_in_training_alone(rng, monkeypatch):
    """One rate only: an item has the tempo that its label says, or its own."""
    monkeypatch.setattr(module, "EfficientNetB0", Trunk)
    monkeypatch.setattr(Trunk, "seen", [])
    labels = []
    monkeypatch.setattr(
        module, "augmentation_loss", lambda out, section, kind: labels.append(kind) or jnp.zeros(())
    )
    model = augmentation_id(
        FACTS, mel=MEL, recipe=module.Recipe(mixup_alpha=0.0), semitones=(), rates=(2.0,)
    )
    audio = jnp.asarray(rng.normal(size=(8, 16_000)), jnp.float32)
    variables = model.init(jax.random.key(0))
    model.apply(variables, audio)
    plain = np.asarray(Trunk.seen[-1])[..., 0]
    model.loss(variables, batch_of(audio), jax.random.key(2))
    changed, kinds = np.asarray(Trunk.seen[-1])[..., 0], np.asarray(labels[-1])
    assert plain.shape == (8, 32, 32) and changed.shape == (8, 32, 16)
    assert set(kinds) == {0, 1}
    for kind, item, original in zip(kinds, changed, plain):
        np.testing.assert_allclose(item, original[:, :: 1 + kind][:, :16], rtol=1e-5)


def test_shapes():
    """Traced, not run."""
    model = augmentation_id(FACTS, mel=MEL)
    assert (model.name, model.scope) == ("Augmentation ID", "all")
    state = jax.eval_shape(lambda key: create_state(model, key), jax.random.key(0))
    assert state.params["section_head"]["kernel"].shape == (128, 5)
    assert state.params["change_head"]["kernel"].shape == (128, 9)
    audio = jax.ShapeDtypeStruct((2, 16_000), jnp.float32)
    assert jax.eval_shape(model.apply, state.variables, audio).shape == (2, 128)
    loss, stats = jax.eval_shape(
        lambda v, a, k: model.loss(v, batch_of(a), k), state.variables, audio, jax.random.key(0)
    )
    assert loss.shape == () and jax.tree.structure(stats) == jax.tree.structure(state.batch_stats)


@pytest.mark.parametrize(
    "fields",
    [
        {"semitones": (), "rates": ()},
        {"semitones": (0.0,)},
        {"rates": (1.0,)},
        {"rates": (-1.0,)},
        {"mel": MelInput(log=True)},
    ],
)
def test_changes_that_change_nothing(fields):
    with pytest.raises(InputError, match="expected"):
        augmentation_id(FACTS, **fields)
