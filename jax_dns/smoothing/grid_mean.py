"""The mean of Eq. 7 over a grid of Ks: no K is chosen, so no labels are needed."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from jax_dns.smoothing.rules import uniform
from jax_dns.types import Facts, Setting, SmoothingRule


def grid_mean(
    facts: Facts,
    *,
    ks: tuple[int, ...] = tuple(2**i for i in range(12)),
    metric: str = "euclidean",
    same_clip: bool = True,
) -> SmoothingRule:
    """Builds the rule: the mean of the paper's rule over those of the Ks that fit.

    With Ks in powers of two, a neighbour's weight falls with its rank r about as 1 / r.

    Args:
      facts: of the data.
      ks: the Ks.
      metric: "euclidean" or "cosine".
      same_clip: whether a segment's neighbours may be of its own clip.

    Returns:
      The rule, without a hyperparameter.

    Raises:
      InputError: see `uniform`.
    """
    rule = uniform(facts, ks=ks, metric=metric, same_clip=same_clip)

    def smooth(
        scores: Float[np.ndarray, " n"], features: Float[np.ndarray, "n d"], **arrays: np.ndarray
    ) -> Mapping[Setting, Float[np.ndarray, " n"]]:
        smoothed = rule.smooth(scores, features, **arrays)
        return {0: np.mean(list(smoothed.values()), axis=0)} if smoothed else {}

    return SmoothingRule("K-grid mean", "", (0,), smooth)
