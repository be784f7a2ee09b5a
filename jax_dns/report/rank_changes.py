"""Ranks of clips within their section, and the clips whose rank smoothing changed most."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata


class RankChanges(NamedTuple):
    """Every clip's rank among the clips of its section, before and after smoothing."""

    before: Int[np.ndarray, " c"]  # 1: the highest score of its section
    after: Int[np.ndarray, " c"]
    n: Int[np.ndarray, " c"]  # clips in its section
    most: Int[np.ndarray, " m"]  # rows of the clips that moved most, the furthest first


def rank_changes(
    before: Float[np.ndarray, " c"],
    after: Float[np.ndarray, " c"],
    section: Int[np.ndarray, " c"],
    *,
    count: int = 10,
) -> RankChanges:
    """Ranks clips within their section, both domains together, and picks those that moved most.

    An AUC depends on ranks alone, and Table II has one AUC for the clips of a section: a clip's
    change of rank is its part in the change of that AUC. Changes count as a share of the section;
    equal ones are ordered by the change of score.

    Args:
      before: [c] anomaly scores; higher is more anomalous.
      after: [c] anomaly scores.
      section: [c] sections.
      count: how many to pick; clips whose score did not change are never picked.

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
    return RankChanges(ranks[0], ranks[1], n, order[difference[order] > 0][:count])
