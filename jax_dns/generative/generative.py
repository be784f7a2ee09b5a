"""a_G: generative anomaly scores of segments.

A generative scorer is a function (variables, audio [b, t]) -> scores [b], higher meaning more
anomalous. The paper's is the autoencoder's reconstruction error.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from jax_dns.training.losses import reconstruction_error
from jax_dns.types import ArrayLike

Scorer = Callable[[Any, Float[ArrayLike, "b t"]], Float[ArrayLike, " b"]]


def autoencoder_score(model: nn.Module, psi: Callable[[Array], Array]) -> Scorer:
    """Eq. 2, averaged over the windows of a segment.

    Args:
      model: f_G, maps windows [n, D] to windows.
      psi: maps waveforms [b, t] to windows [b, w, D].

    Returns:
      A compiled scorer.
    """

    @jax.jit
    def score(variables: Any, audio: Float[ArrayLike, "b t"]) -> Float[ArrayLike, " b"]:
        windows = psi(audio)
        flat = windows.reshape(-1, windows.shape[-1])
        error = reconstruction_error(flat, model.apply(variables, flat, train=False))
        return error.reshape(windows.shape[:2]).mean(-1)

    return score
