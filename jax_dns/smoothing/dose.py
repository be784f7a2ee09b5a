"""Gaussian scores, and the half dose: smoothing by a fixed amount less than Eq. 7's."""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri
from scipy.stats import rankdata

from jax_dns.errors import InputError
from jax_dns.smoothing.api import smooth


def gaussianise(scores: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Maps scores to normal quantiles of their ranks, Phi^-1((rank - 1/2) / n).

    On the host and in float64: log-likelihoods may differ in digits that float32 doesn't hold.

    Args:
      scores: [n]; tied ones share their mean rank.

    Returns:
      [n] float64.
    """
    scores = np.asarray(scores)
    return ndtri((rankdata(scores) - 0.5) / len(scores))


def smooth_dose(
    scores: Float[np.ndarray, " n"],
    features: Float[np.ndarray, "n d"],
    k: int = 16,
    *,
    weight: float = 0.5,
    groups: np.ndarray | None = None,
    pool: np.ndarray | None = None,
    metric: str = "euclidean",
) -> Float[np.ndarray, " n"]:
    """Averages each item's Gaussian score with the mean of its neighbours': the half dose.

        b_i = w g_i + (1 - w) mean of g over the K - 1 nearest

    Needs no known normals. It captures less of the gain than a chosen K, and harms less.

    Args:
      scores: [n] a_G.
      features: [n, d] f_D.
      k: K, the item itself counted, 2 or more.
      weight: w, of the item's own score, between 0 and 1.
      groups: see `smooth`; scores are ranked within a group.
      pool: see `smooth`.
      metric: see `smooth`.

    Returns:
      [n] float64.

    Raises:
      InputError: an invalid weight or K, or what `smooth` refuses.
    """
    if not 0 <= weight <= 1:
        raise InputError(f"weight: {weight!r}, expected 0 to 1")
    if k < 2:
        raise InputError(f"k: {k!r}, expected 2 or more")
    scores = np.asarray(scores)
    g = np.empty(len(scores))
    groups = np.zeros(len(scores), np.int32) if groups is None else np.asarray(groups)
    for group in np.unique(groups):
        rows = groups == group
        g[rows] = gaussianise(scores[rows])
    smoothed = smooth(g, features, k, groups=groups, pool=pool, metric=metric)
    return weight * g + (1 - weight) * (k * smoothed - g) / (k - 1)
