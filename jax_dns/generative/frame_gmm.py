"""A Gaussian mixture of single log-mel frames: a baseline that is fitted in seconds."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.generative.log_mel import PAPERS_LOG_MEL, LogMel, log_mel_transform
from jax_dns.inlier.gmm import Mixture, fit_gaussians, from_sklearn, negative_log_likelihood
from jax_dns.types import ArrayLike, Facts, FittedModel, Variables


def frame_gmm(
    facts: Facts,
    *,
    mel: LogMel = PAPERS_LOG_MEL,
    n_components: int = 8,
    reg_covar: float = 1e-3,
    max_frames: int = 50_000,
) -> FittedModel:
    """Builds the component.

    Args:
      facts: of the data.
      mel: settings of the spectrogram.
      n_components: Gaussians, with full covariances.
      reg_covar: added to the covariances' diagonals, dB^2.
      max_frames: the most frames that it is fitted on, drawn at random.

    Returns:
      A model fitted on the machine type's training segments. Its score is the negative
      log-likelihood of a frame, averaged over a segment, nats.
    """
    log_mel = log_mel_transform(facts, mel)

    def fit(batches: Iterable[ArrayLike], seed: int) -> Variables:
        frames = np.concatenate([to_frames(log_mel(audio)) for audio in batches])
        if len(frames) > max_frames:
            rows = np.random.default_rng(seed).choice(len(frames), max_frames, replace=False)
            frames = frames[rows]
        try:
            model = fit_gaussians(frames, n_components, reg_covar, seed)
        except ValueError as error:
            raise InputError(
                f"component Frame GMM: {n_components} Gaussians can't be fitted on {len(frames)} "
                "frames (expected more frames, or a larger generative.reg_covar)"
            ) from error
        return from_sklearn(model)._asdict()

    def score(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[np.ndarray, " b"]:
        nll = negative_log_likelihood(Mixture(**variables), to_frames(log_mel(audio)))
        return np.asarray(nll).reshape(len(audio), -1).mean(1)

    return FittedModel("Frame GMM", fit, score)


def to_frames(spectrogram: Float[ArrayLike, "b m f"]) -> Float[np.ndarray, "n m"]:
    """Lists the frames [b * f, m] of spectrograms."""
    return np.asarray(spectrogram).transpose(0, 2, 1).reshape(-1, spectrogram.shape[1])
