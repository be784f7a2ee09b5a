"""The part of log-mel frames that their principal components don't explain: a fast baseline."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.generative.frame_gmm import to_frames
from jax_dns.generative.log_mel import PAPERS_LOG_MEL, LogMel, log_mel_transform
from jax_dns.types import ArrayLike, Facts, FittedModel, Variables


def frame_pca(
    facts: Facts,
    *,
    mel: LogMel = PAPERS_LOG_MEL,
    n_components: int = 32,
) -> FittedModel:
    """Builds the component.

    Args:
      facts: of the data.
      mel: settings of the spectrogram.
      n_components: principal components kept, fewer than `n_mels`.

    Returns:
      A model fitted on all frames of the machine type's training segments. Its score is the mean
      squared residual of a frame, averaged over a segment, dB^2.

    Raises:
      InputError: more components than leave a residual.
    """
    if not 0 < n_components < mel.n_mels:
        raise InputError(
            f"n_components: {n_components}, expected 1 to {mel.n_mels - 1}, below n_mels"
        )
    n_mels, log_mel = mel.n_mels, log_mel_transform(facts, mel)

    def fit(batches: Iterable[ArrayLike], seed: int) -> Variables:
        n, total, products = 0, np.zeros(n_mels), np.zeros((n_mels, n_mels))
        for audio in batches:
            frames = to_frames(log_mel(audio)).astype(np.float64)
            n, total = n + len(frames), total + frames.sum(0)
            products += frames.T @ frames
        mean = total / n
        # Eigenvectors by rising eigenvalue: the first ones span the residual.
        vectors = np.linalg.eigh(products / n - np.outer(mean, mean))[1]
        return {"mean": mean, "residual": vectors[:, : n_mels - n_components]}

    def score(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[np.ndarray, " b"]:
        centred = to_frames(log_mel(audio)) - variables["mean"]
        error = ((centred @ variables["residual"]) ** 2).sum(1) / n_mels
        return error.reshape(len(audio), -1).mean(1)

    return FittedModel("Frame PCA", fit, score)
