"""Statistics exchange (StatEx, Chen et al. 2023, ref. [9]): pseudo-anomalous spectrograms.

A spectrogram takes the mean and deviation of another one, along one axis. What comes out is a class
of its own, so that C classes become 3 C.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jax_dns.types import ArrayLike

AXES = {"time": -1, "frequency": -2}
SMALLEST = 1e-6  # the least deviation to divide by


def exchange_statistics(
    key: Key[Array, ""],
    spectrogram: Float[ArrayLike, "b m f"],
    target: Float[ArrayLike, "b c"],
    *,
    axis: str = "time",
    probability: float = 0.5,
) -> tuple[Float[Array, "b m f"], Float[Array, "b 3*c"]]:
    """Exchanges the statistics of some items with those of the reversed batch.

    Args:
      key: of the draws.
      spectrogram: [b, n_mels, frames] X.
      target: [b, C] one-hot labels y, or mixtures of two.
      axis: "time": the statistics of each band over time; "frequency": of each frame.
      probability: of an item's exchange.

    Returns:
      (X1 - mu1) / sigma1 * sigma2 + mu2 with the label [0, y1 / 2, y2 / 2] where the statistics are
      exchanged; X with the label [y, 0, 0] elsewhere.
    """
    mean = spectrogram.mean(AXES[axis], keepdims=True)
    deviation = spectrogram.std(AXES[axis], keepdims=True)
    scaled = (spectrogram - mean) / jnp.maximum(deviation, SMALLEST)
    exchanged = scaled * deviation[::-1] + mean[::-1]
    zero = jnp.zeros_like(target)
    plain_label = jnp.concatenate([target, zero, zero], axis=1)
    mixed_label = jnp.concatenate([zero, target / 2, target[::-1] / 2], axis=1)
    chosen = jax.random.bernoulli(key, probability, (len(target),))
    return (
        jnp.where(chosen[:, None, None], exchanged, spectrogram),
        jnp.where(chosen[:, None], mixed_label, plain_label),
    )
