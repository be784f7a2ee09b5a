"""Judges smoothed scores by the rule of exactness, one row at a time in float64.

A value is exact if some choice of K - 1 neighbours gives it whose squared distances differ from the
K-th by no more than 2e-6 (||x_i||^2 + max_j ||x_j||^2), norms taken after the mean is subtracted.
"""

from collections.abc import Iterable

import numpy as np

TOLERANCE = 2e-6


def count_inexact_rows(
    rows: Iterable[int],
    smoothed: np.ndarray,
    scores: np.ndarray,
    features: np.ndarray,
    k: int,
    queries: tuple[np.ndarray, np.ndarray] | None = None,
) -> int:
    """Counts the rows whose smoothed score no exact choice of neighbours gives.

    Args:
      rows: the rows of `smoothed` to judge.
      smoothed: [m] smoothed scores.
      scores: [n] anomaly scores of the items.
      features: [n, d] features of the items.
      k: K, the item itself counted.
      queries: scores [m] and features [m, d] of new items smoothed over the stored ones; None if
        the items were smoothed among themselves.

    Returns:
      The number of inexact rows.
    """
    mean = features.mean(0, dtype=np.float64)
    x = features - mean
    norms = (x**2).sum(1)
    query_scores, q = (scores, x) if queries is None else (queries[0], queries[1] - mean)
    inexact = 0
    for i in rows:
        distances = ((x - q[i]) ** 2).sum(1)
        if queries is None:
            distances[i] = np.inf
        kth = np.partition(distances, k - 2)[k - 2] if k > 1 else -1.0
        slack = TOLERANCE * ((q[i] ** 2).sum() + norms.max())
        certain = distances < kth - slack
        tied = np.sort(scores[np.abs(distances - kth) <= slack].astype(np.float64))
        n_free = k - 1 - certain.sum()
        total = query_scores[i] + scores[certain].sum(dtype=np.float64)
        low, high = total + tied[:n_free].sum(), total + tied[len(tied) - n_free :].sum()
        rounding = 2e-6 * k * (1 + np.abs(scores).max())
        inexact += not low - rounding <= smoothed[i] * k <= high + rounding
    return inexact
