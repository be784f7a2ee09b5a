"""Which clips smoothing moved most, in the unit that the AUC counts: places in the ranking."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata


class Changes(NamedTuple):
    """Every clip's place among the clips of its section, before and after."""

    before: Int[np.ndarray, " c"]  # 1: the highest score of its section
    after: Int[np.ndarray, " c"]
    n: Int[np.ndarray, " c"]  # clips in its section
    most: Int[np.ndarray, " m"]  # rows of those that moved most, the furthest first


def changes(
    before: Float[np.ndarray, " c"],
    after: Float[np.ndarray, " c"],
    section: Int[np.ndarray, " c"],
    *,
    count: int = 10,
) -> Changes:
    """Ranks clips within their section, both domains together, and picks the biggest movers.

    An AUC depends on ranks alone, and Table II's AUC is a section's with both domains together: a
    clip's change of rank is its say in that figure's change. Ranks count as a share of the section,
    since sections differ in size; equal moves go by the change of score.

    Args:
      before: [c] anomaly scores; higher = more anomalous.
      after: [c] anomaly scores.
      section: [c] product IDs.
      count: how many to pick; clips whose score is the same before and after never are.

    Returns:
      Ranks of all clips and the rows picked. Equal scores share the better rank.
    """
    ranks = np.ones((2, len(section)), np.int64)
    n = np.ones(len(section), np.int64)
    for each in np.unique(section):
        rows = section == each
        n[rows] = rows.sum()
        for rank, scores in zip(ranks, (before, after)):
            rank[rows] = rankdata(-scores[rows], method="min")
    moved = np.abs(ranks[0] - ranks[1]) / np.maximum(n - 1, 1)
    difference = np.abs(after - before)
    order = np.lexsort((-difference, -moved))
    return Changes(ranks[0], ranks[1], n, order[difference[order] > 0][:count])
