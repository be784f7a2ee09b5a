"""TWFR-GMM: a Gaussian mixture of time-weighted frequency-domain features (Guan et al. 2023).

Ref. [7] of the paper. Each band's levels are sorted over time and averaged with weights r^i: r = 1
is the mean, r near 0 the maximum. One mixture is fitted to each section. On request the target
domain's waveforms are oversampled by SMOTE first.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float

from jax_dns.errors import InputError
from jax_dns.generative.log_mel import PAPERS_LOG_MEL, LogMel, log_mel_transform
from jax_dns.inlier.gmm import Mixture, fit_gaussians, from_sklearn, squared_distances
from jax_dns.inlier.knn import check_smote, smote
from jax_dns.types import ArrayLike, Facts, FittedModel, Variables


def twfr_gmm(
    facts: Facts,
    *,
    mel: LogMel = PAPERS_LOG_MEL,
    r: float = 1.0,
    n_components: int = 2,
    reg_covar: float = 1e-6,
    smote_ratio: float = 0.0,
    smote_neighbors: int = 3,
) -> FittedModel:
    """Builds the component.

    Published r and components, searched on labelled development clips: ToyCar 1 and 2, ToyTrain
    0.9 and 4, bearing 1 and 2, fan 1 and 2, gearbox 0.98 and 4, slider 0.88 and 1, valve 0.46 and
    2. There is none for pump.

    Args:
      facts: of the data.
      mel: settings of the spectrogram.
      r: ratio of the weights of consecutive ranks, more than 0 and at most 1.
      n_components: Gaussians, with full covariances.
      reg_covar: added to the covariances' diagonals, dB^2.
      smote_ratio: oversample the target domain to this share of the source domain's segments; 0
        for none. The published variant uses 0.2.
      smote_neighbors: neighbours that new target waveforms are interpolated with.

    Returns:
      A model fitted on each section's training segments. Its score is -max_c log N_c(x), the
      Gaussians without their weights, nats.

    Raises:
      InputError: r out of range.
    """
    if not 0 < r <= 1:
        raise InputError(f"r: {r!r}, expected more than 0 and at most 1")
    check_smote(smote_ratio, smote_neighbors)
    log_mel = log_mel_transform(facts, mel)

    def pooled(audio: Float[ArrayLike, "b t"]) -> Float[np.ndarray, "b m"]:
        return ranking_pooling(np.asarray(log_mel(audio)), r)

    def fit(batches: Iterable[ArrayLike], seed: int) -> Variables:
        features = np.concatenate([pooled(audio) for audio in batches])
        if smote_ratio > 0:
            is_target = batches.is_target_domain
            n_target = int(is_target.sum())
            missing = round(smote_ratio * (len(is_target) - n_target)) - n_target
            if missing > 0 and n_target > 1:
                waveforms = pick_rows(batches, is_target)
                new = smote(waveforms, missing, n_neighbors=smote_neighbors, seed=seed)
                features = np.concatenate([features, pooled(new)])
        try:
            model = fit_gaussians(features, n_components, reg_covar, seed)
        except ValueError as error:
            raise InputError(
                f"component TWFR-GMM: {n_components} Gaussians can't be fitted on {len(features)} "
                "segments (expected more segments, or a larger generative.reg_covar)"
            ) from error
        mixture = from_sklearn(model)
        log_weights = mixture.log_weights - np.log(model.weights_)
        return mixture._replace(log_weights=log_weights.astype(np.float32))._asdict()

    def score(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[np.ndarray, " b"]:
        squares = np.asarray(squared_distances(Mixture(**variables), pooled(audio)))
        return -(variables["log_weights"][:, None] - 0.5 * squares).max(0)

    return FittedModel("TWFR-GMM", fit, score, per_section=True)


def pick_rows(
    batches: Iterable[Float[ArrayLike, "_ t"]], chosen: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, "m t"]:
    """Returns the chosen ones of all batches' rows."""
    first, rows = 0, []
    for batch in batches:
        rows.append(np.asarray(batch)[chosen[first : first + len(batch)]])
        first += len(batch)
    return np.concatenate(rows)


def ranking_pooling(spectrogram: Float[np.ndarray, "b m f"], r: float) -> Float[np.ndarray, "b m"]:
    """Computes sum_i r^i x_(i) / sum_i r^i, with x_(0) >= x_(1) >= ... a band's levels.

    Args:
      spectrogram: [b, n_mels, frames], dB.
      r: ratio of the weights of consecutive ranks.

    Returns:
      [b, n_mels] in dB.
    """
    weights = r ** np.arange(spectrogram.shape[-1])
    ranked = -np.sort(-spectrogram, axis=-1)
    return (ranked @ (weights / weights.sum())).astype(spectrogram.dtype)
