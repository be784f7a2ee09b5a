"""Whether smoothed values are exact in the README's sense, row by row in float64."""

import numpy as np

TOLERANCE = 2e-6


def illegal(
    rows: np.ndarray, got: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int, new=None
) -> int:
    """How many of some rows have a value that no legal choice of neighbours gives.

    Neighbours may differ only where their squared distances are within
    2e-6 (||x_i||^2 + max_j ||x_j||^2) of the K-th, norms taken after the mean is subtracted.

    Args:
      rows: [r] numbers of rows of `got`.
      got: [m] smoothed values.
      scores: [n].
      features: [n, d].
      k: K.
      new: scores [m] and features [m, d] of queries that aren't items; None: the items themselves.
    """
    mean = features.mean(0, dtype=np.float64)
    x = features - mean
    norms = (x**2).sum(1)
    query_scores, q = (scores, x) if new is None else (new[0], new[1] - mean)
    wrong = 0
    for i in rows:
        distances = ((x - q[i]) ** 2).sum(1)
        if new is None:
            distances[i] = np.inf
        limit = np.partition(distances, k - 2)[k - 2] if k > 1 else -1.0
        slack = TOLERANCE * ((q[i] ** 2).sum() + norms.max())
        certain = distances < limit - slack
        tied = np.sort(scores[np.abs(distances - limit) <= slack].astype(np.float64))
        free = k - 1 - certain.sum()
        total = query_scores[i] + scores[certain].sum(dtype=np.float64)
        low, high = total + tied[:free].sum(), total + tied[len(tied) - free :].sum()
        rounding = 2e-6 * k * (1 + np.abs(scores).max())
        wrong += not low - rounding <= got[i] * k <= high + rounding
    return wrong
