"""The paper's a_G: the reconstruction error of a dense autoencoder (Sec. II.A, Eqs. 1 and 2).

The network is the ten-layer autoencoder of the DCASE baseline (Koizumi et al. 2020, ref. [1]).
"""

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from jax_dns.features import stack_frames
from jax_dns.generative.log_mel import PAPERS_LOG_MEL, LogMel, log_mel_transform
from jax_dns.types import ArrayLike, Batch, Facts, GradientModel, Variables

HIDDEN = (128, 128, 128, 128, 8, 128, 128, 128, 128)  # nine hidden layers; the tenth reconstructs


class Autoencoder(nn.Module):
    """f_G: D-128x4-8-128x4-D, with BatchNorm and ReLU after each layer but the last.

    BatchNorm's epsilon is that of Keras, as in the baseline.

    Attributes:
      bn_momentum: share of the running mean and variance kept at each step.
    """

    bn_momentum: float = 0.99

    @nn.compact
    def __call__(self, windows: Float[ArrayLike, "n d"], *, train: bool) -> Float[ArrayLike, "n d"]:
        """Reconstructs windows.

        Args:
          windows: [n, D] stacked log-mel frames, dB.
          train: normalise with the batch's statistics rather than the running ones.

        Returns:
          [n, D] in dB.
        """
        x = windows
        for features in HIDDEN:
            x = nn.Dense(features)(x)
            x = nn.BatchNorm(
                use_running_average=not train, momentum=self.bn_momentum, epsilon=1e-3
            )(x)
            x = nn.relu(x)
        return nn.Dense(windows.shape[-1])(x)


def autoencoder(
    facts: Facts,
    *,
    mel: LogMel = PAPERS_LOG_MEL,
    frames: int = 5,
    learning_rate: float = 1e-3,
    bn_momentum: float = 0.99,
) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      mel: settings of the spectrogram.
      frames: adjacent frames in a window; D = frames * n_mels.
      learning_rate: Adam's, fixed.
      bn_momentum: see `Autoencoder`.

    Returns:
      A gradient model trained on the target machine's normal clips. Its score is Eq. 2, averaged
      over the windows of a segment.
    """
    model = Autoencoder(bn_momentum=bn_momentum)
    log_mel = log_mel_transform(facts, mel)

    def stacked_log_mel(audio: Float[ArrayLike, "b t"]) -> Float[Array, "b w d"]:
        return stack_frames(log_mel(audio), frames)

    def init(key: Key[Array, ""]) -> Variables:
        windows = stacked_log_mel(jnp.zeros((1, facts.segment_samples)))
        return model.init(key, windows[0], train=False)

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        windows = stacked_log_mel(batch.audio)
        windows = windows.reshape(-1, windows.shape[-1])
        reconstruction, updated = model.apply(
            variables, windows, train=True, mutable=["batch_stats"]
        )
        error = jnp.mean(reconstruction_error(windows, reconstruction))
        return error, updated["batch_stats"]

    def score(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[Array, " b"]:
        windows = stacked_log_mel(audio)
        flat = windows.reshape(-1, windows.shape[-1])
        error = reconstruction_error(flat, model.apply(variables, flat, train=False))
        return error.reshape(windows.shape[:2]).mean(-1)

    return GradientModel(
        name="AE",
        scope="target",
        init=init,
        loss=loss,
        apply=score,
        optimizer=optax.adam(learning_rate),
    )


def reconstruction_error(
    windows: Float[ArrayLike, "... d"], reconstruction: Float[ArrayLike, "... d"]
) -> Float[ArrayLike, "..."]:
    """Computes (1/D) ||psi - f_G(psi)||^2 of each window: Eq. 2, and Eq. 1 before its mean."""
    return jnp.mean((windows - reconstruction) ** 2, axis=-1)
