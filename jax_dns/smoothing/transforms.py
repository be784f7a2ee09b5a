"""Transforms of anomaly scores before they are smoothed, so that no outlier dominates a mean."""

import numpy as np
from jaxtyping import Float, Int

from jax_dns.errors import InputError

TRANSFORMS = ("none", "rank", "gaussian", "log")


def transform_scores(
    scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], transform: str
) -> Float[np.ndarray, " n"]:
    """Transforms scores by an increasing function, group by group.

    Args:
      scores: [n] a_G.
      groups: [n] ranks are taken within a group.
      transform: "none"; "rank", mid-ranks over the group's size, in (0, 1); "gaussian", the normal
        quantiles of those; "log", natural.

    Returns:
      [n] in the type of `scores`.

    Raises:
      InputError: an unknown transform, or a score that has no logarithm.
    """
    if transform == "none":
        return scores
    if transform == "log":
        if not (scores > 0).all():
            row = int((~(scores > 0)).argmax())
            raise InputError(
                f"transform: 'log', expected scores above 0, the score of row {row} is "
                f"{scores[row]:g}"
            )
        return np.log(scores)
    if transform not in TRANSFORMS:
        raise InputError(f"transform: {transform!r}, expected {' or '.join(TRANSFORMS)}")
    from scipy.stats import norm, rankdata

    transformed = np.empty_like(scores)
    for group in np.unique(groups):
        rows = groups == group
        quantiles = (rankdata(scores[rows]) - 0.5) / rows.sum()
        transformed[rows] = norm.ppf(quantiles) if transform == "gaussian" else quantiles
    return transformed
