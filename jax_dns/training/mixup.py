"""Mixup of waveforms and labels (Zhang et al. 2018, ref. [20])."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jax_dns.types import ArrayLike


def mixup(
    key: Key[Array, ""],
    audio: Float[ArrayLike, "b t"],
    *labels: Float[ArrayLike, "b ..."],
    alpha: float = 0.2,
) -> tuple[Float[ArrayLike, "b ..."], ...]:
    """Mixes each item with a partner from the batch.

    lambda ~ Beta(alpha, alpha) is drawn for each item, the same for its waveform and all labels.

    Args:
      key: of the draws.
      audio: [b, t] waveforms.
      *labels: arrays of b rows.
      alpha: parameter of the Beta distribution; 0 returns everything unchanged.

    Returns:
      The mixed waveforms, then the mixed labels.
    """
    if alpha == 0:
        return audio, *labels
    key_lambda, key_partner, _ = jax.random.split(key, 3)
    n = len(audio)
    weight = jax.random.beta(key_lambda, alpha, alpha, (n,))
    partner = jax.random.permutation(key_partner, n)

    def mix(x: ArrayLike) -> Array:
        x = jnp.asarray(x)
        w = weight.reshape(n, *[1] * (x.ndim - 1)).astype(x.dtype)
        return w * x + (1 - w) * x[partner]

    return mix(audio), *[mix(label) for label in labels]
