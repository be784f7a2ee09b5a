"""IDNN: the error in predicting a frame from those around it (Suefusa et al. 2020, ref. [4]).

A sound that changes within a window is hard to interpolate whether or not it is anomalous at the
window's edges, so the edges aren't scored. The original layer sizes could not be read; these are
those of public implementations for 128 bands.
"""

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from jax_dns.errors import InputError
from jax_dns.features import stack_frames
from jax_dns.generative.log_mel import PAPERS_LOG_MEL, LogMel, log_mel_transform
from jax_dns.types import ArrayLike, Batch, Facts, GradientModel, Variables

HIDDEN = (128, 64, 32, 64, 128)


class Interpolator(nn.Module):
    """D-128-64-32-64-128-n_mels, with BatchNorm and ReLU after each layer but the last.

    Attributes:
      n_mels: size of the predicted frame.
      bn_momentum: share of the running mean and variance kept at each step.
    """

    n_mels: int
    bn_momentum: float = 0.99

    @nn.compact
    def __call__(self, context: Float[ArrayLike, "n d"], *, train: bool) -> Float[ArrayLike, "n m"]:
        """Predicts centre frames.

        Args:
          context: [n, D] the other frames of each window, stacked, dB.
          train: normalise with the batch's statistics rather than the running ones.

        Returns:
          [n, n_mels] in dB.
        """
        x = context
        for features in HIDDEN:
            x = nn.Dense(features)(x)
            x = nn.BatchNorm(use_running_average=not train, momentum=self.bn_momentum)(x)
            x = nn.relu(x)
        return nn.Dense(self.n_mels)(x)


def idnn(
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
      frames: adjacent frames in a window, an odd number; the centre one is predicted.
      learning_rate: Adam's, fixed.
      bn_momentum: see `Interpolator`.

    Returns:
      A gradient model trained on the target machine's normal clips. Its score is the mean squared
      error of the centre frame, averaged over the windows of a segment.

    Raises:
      InputError: an even number of frames, or fewer than 3.
    """
    if frames < 3 or frames % 2 == 0:
        raise InputError(f"frames: {frames}, expected an odd number, 3 or more")
    model = Interpolator(mel.n_mels, bn_momentum)
    log_mel = log_mel_transform(facts, mel)

    def windows(audio: Float[ArrayLike, "b t"]) -> tuple[Array, Array]:
        stacked = stack_frames(log_mel(audio), frames)
        return split_center(stacked.reshape(-1, stacked.shape[-1]), mel.n_mels)

    def init(key: Key[Array, ""]) -> Variables:
        context, _ = windows(jnp.zeros((1, facts.segment_samples)))
        return model.init(key, context, train=False)

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        context, center = windows(batch.audio)
        predicted, updated = model.apply(variables, context, train=True, mutable=["batch_stats"])
        return jnp.mean((predicted - center) ** 2), updated["batch_stats"]

    def score(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[Array, " b"]:
        context, center = windows(audio)
        error = (model.apply(variables, context, train=False) - center) ** 2
        return error.reshape(len(audio), -1).mean(-1)

    return GradientModel(
        name="IDNN",
        scope="target",
        init=init,
        loss=loss,
        apply=score,
        optimizer=optax.adam(learning_rate),
    )


def split_center(
    windows: Float[ArrayLike, "n d"], n_mels: int
) -> tuple[Float[ArrayLike, "n c"], Float[ArrayLike, "n m"]]:
    """Splits windows of an odd number of frames into the others and the centre frame.

    Args:
      windows: [n, frames * n_mels] stacked frames.
      n_mels: size of a frame.

    Returns:
      [n, (frames - 1) * n_mels] the other frames in order, and [n, n_mels] the centre frame.
    """
    first = (windows.shape[-1] // n_mels // 2) * n_mels
    context = jnp.concatenate([windows[:, :first], windows[:, first + n_mels :]], axis=-1)
    return context, windows[:, first : first + n_mels]
