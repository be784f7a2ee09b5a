"""The two networks as gradient models that read features, so that audio's share can be left out.

A batch's `audio` holds flattened spectrograms or windows instead of waveforms.
"""

import jax
import jax.numpy as jnp
import optax

from jax_dns.discriminative.serial_oe import Extractor, serial_oe_loss
from jax_dns.generative.autoencoder import Autoencoder, reconstruction_error
from jax_dns.training.mixup import mixup
from jax_dns.training.optimizers import adamw
from jax_dns.types import GradientModel


def extractor(
    *,
    n_sections: int,
    n_mels: int,
    n_frames: int,
    feature_dim: int = 128,
    dropout: float = 0.3,
    dtype: str = "float32",
) -> GradientModel:
    """Builds SerialOE's extractor on spectrograms [b, n_mels * n_frames]."""
    network = Extractor(n_sections, feature_dim, dropout, dtype=jnp.dtype(dtype))

    def as_images(flat):
        return flat.reshape(len(flat), n_mels, n_frames)

    def init(key):
        return network.init(key, jnp.zeros((1, n_mels, n_frames)), train=False)

    def loss(variables, batch, key):
        key_mixup, key_dropout = jax.random.split(key)
        flat, is_target, section = mixup(
            key_mixup, batch.audio, batch.is_target, batch.section, alpha=0.2
        )
        output, updated = network.apply(
            variables,
            as_images(flat),
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key_dropout},
        )
        return serial_oe_loss(output, is_target, section), updated["batch_stats"]

    def features(variables, flat):
        return network.apply(variables, as_images(flat), train=False).feature

    return GradientModel(
        "SerialOE", "target+outliers", init, loss, features, adamw(weight_decay=0.0)
    )


def autoencoder(*, window: int) -> GradientModel:
    """Builds the autoencoder on windows [b, window]."""
    network = Autoencoder()

    def init(key):
        return network.init(key, jnp.zeros((1, window)), train=False)

    def loss(variables, batch, key):
        output, updated = network.apply(variables, batch.audio, train=True, mutable=["batch_stats"])
        return jnp.mean(reconstruction_error(batch.audio, output)), updated["batch_stats"]

    def score(variables, windows):
        return reconstruction_error(windows, network.apply(variables, windows, train=False))

    return GradientModel("AE", "target", init, loss, score, optax.adam(1e-3))
