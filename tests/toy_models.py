"""Small gradient models with the structure of the real ones, for tests of the training."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jax_dns.discriminative.serial_oe import ExtractorOutput, item_losses, serial_oe_loss
from jax_dns.training.mixup import mixup
from jax_dns.training.optimizers import adamw, one_cycle
from jax_dns.training.steps import train_step
from jax_dns.types import GradientModel

WINDOW = 20  # samples; a segment is whole windows


class Reconstruction(nn.Module):
    """A window's reconstruction through four units, with BatchNorm."""

    @nn.compact
    def __call__(self, windows, *, train):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(4)(windows))
        return nn.Dense(windows.shape[-1])(nn.relu(x))


class Heads(nn.Module):
    """The real extractor's outputs, dropout and statistics, without a trunk."""

    sections: int = 3

    @nn.compact
    def __call__(self, spectrogram, *, train):
        x = spectrogram.reshape(len(spectrogram), -1)
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(8)(x))
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return ExtractorOutput(x, nn.Dense(1)(x)[:, 0], nn.Dense(self.sections)(x))


def toy_autoencoder(segment, *, learning_rate=1e-3):
    """Scores are the mean squared errors of a segment's windows."""
    model = Reconstruction()

    def error(windows, output):
        return jnp.mean((windows - output) ** 2, axis=-1)

    def loss(variables, batch, key):
        windows = jnp.asarray(batch.audio).reshape(-1, WINDOW)
        output, updated = model.apply(variables, windows, train=True, mutable=["batch_stats"])
        return error(windows, output).mean(), updated["batch_stats"]

    def score(variables, audio):
        windows = jnp.asarray(audio).reshape(-1, WINDOW)
        errors = error(windows, model.apply(variables, windows, train=False))
        return errors.reshape(len(audio), -1).mean(1)

    return GradientModel(
        name="toy AE",
        scope="target",
        init=lambda key: model.init(key, jnp.zeros((segment // WINDOW, WINDOW)), train=False),
        loss=loss,
        apply=score,
        optimizer=optax.adam(learning_rate),
    )


def toy_extractor(segment, *, sections=3, max_lr=1e-2, lambda_id=5.0, mixup_alpha=0.2):
    """SerialOE's losses on a net without a trunk."""
    model = Heads(sections)

    def columns(audio):
        return jnp.asarray(audio).reshape(len(audio), 8, -1)

    def loss(variables, batch, key):
        key_mixup, key_dropout = jax.random.split(key)
        audio, is_target, section = mixup(
            key_mixup, batch.audio, batch.is_target, batch.section, alpha=mixup_alpha
        )
        output, updated = model.apply(
            variables,
            columns(audio),
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key_dropout},
        )
        value = serial_oe_loss(output, is_target, section, lambda_id=lambda_id)
        return value, updated["batch_stats"]

    def validation_loss(variables, batch):
        output = model.apply(variables, columns(batch.audio), train=False)
        machine, identity = item_losses(output, batch.is_target, batch.section)
        return machine + lambda_id * identity

    return GradientModel(
        name="toy SerialOE",
        scope="target+outliers",
        init=lambda key: model.init(key, jnp.zeros((1, 8, segment // 8)), train=False),
        loss=loss,
        apply=lambda variables, audio: model.apply(variables, columns(audio), train=False).feature,
        optimizer=adamw(),
        schedule=lambda step, n_steps: one_cycle(step, n_steps, max_lr=max_lr)._asdict(),
        validation_loss=validation_loss,
    )


def arguments(n, *, sections=3, seed=0, hyperparameters=None):
    """What a step takes beside state and audio, for n target segments."""
    section = np.eye(sections, dtype=np.float32)[np.arange(n) % sections]
    labels = {"section": (np.arange(n) % sections).astype(np.int32)}
    return np.uint32(seed), np.ones(n, np.float32), section, labels, hyperparameters or {}


def take_step(model, state, audio, **options):
    """One training step on target segments."""
    return train_step(model)(state, jnp.asarray(audio), *arguments(len(audio), **options))
