"""The fusion of two scores by their ranks: a plain rival of smoothing."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from jax_dns.evaluation.results import MethodResult, baseline
from jax_dns.segments_file import Clips


def rank_fusion(
    clips: Clips, results: Sequence[MethodResult], discriminative: Sequence[MethodResult]
) -> list[MethodResult]:
    """Averages the ranks of the generative score and of the discriminative one, in each setting.

    Args:
      clips: [c] test clips of one machine type.
      results: those with the generative score.
      discriminative: the discriminative score in every setting of the inlier model.

    Returns:
      A result for each of these settings, named "AE + SerialOE ranks" after both; none where there
      is no generative score.
    """
    generative = baseline(results)
    if generative is None:
        return []
    ranks = section_ranks(clips.section, generative.scores)
    return [
        other._replace(
            method=f"{generative.method} + {other.method} ranks",
            scores=(ranks + section_ranks(clips.section, other.scores)) / 2,
            metrics=(),
        )
        for other in discriminative
    ]


def section_ranks(
    section: Int[np.ndarray, " c"], scores: Float[np.ndarray, " c"]
) -> Float[np.ndarray, " c"]:
    """Ranks scores within each section, ties at their mean rank, as fractions of its clips."""
    ranks = np.empty(len(scores))
    for number in np.unique(section):
        rows = section == number
        ranks[rows] = rankdata(scores[rows]) / rows.sum()
    return ranks
