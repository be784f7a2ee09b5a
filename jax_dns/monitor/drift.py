"""Drift: whether the last clips' features are distributed as the held-out normals' were.

A kernel two-sample test (maximum mean discrepancy, Gaussian kernel). Drift isn't a fault: the
history follows it. It tells people that the machine or its surroundings have changed.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.distance import cdist

MOST_PERMUTATIONS = 20_000
MEMORY = 2**24  # labels held at a time, 8 bytes each


class Drift(NamedTuple):
    """The test's outcome for one window of clips."""

    distance: float  # squared maximum mean discrepancy
    p: float


def drift_level(days: float, clips_per_day: float, window: int) -> float:
    """Returns the p-value at which to warn, so that false warnings are `days` apart on average.

    Windows don't overlap. While their clips are exchangeable with the reference, each is a false
    warning with at most this probability, so `window / level` clips or more pass between two.

    Args:
      days: between false warnings.
      clips_per_day: of a section.
      window: clips in a window.
    """
    return min(1.0, window / (days * clips_per_day))


def two_sample(
    reference: Float[np.ndarray, "r d"],
    window: Float[np.ndarray, "w d"],
    *,
    level: float,
    seed: int = 0,
) -> Drift:
    """Tests whether two sets of features have one distribution, by permutation.

    The kernel's width is the median distance over both sets together, so that permuting them leaves
    it as it is and the p-value is valid for any sizes.

    Args:
      reference: [r, d] features of held-out normal clips.
      window: [w, d] features of the last clips.
      level: the p-value that must be reachable; 1 / level permutations are drawn.
      seed: of the permutations.
    """
    together = np.concatenate([reference, window]).astype(np.float64)
    n, w = len(together), len(window)
    squared = cdist(together, together, "sqeuclidean")
    width = np.median(squared[np.triu_indices(n, 1)]) or 1.0
    kernel = np.exp(-squared / width)
    labels = np.full(n, 1 / (n - w))
    labels[n - w :] = -1 / w
    observed = float(labels @ kernel @ labels)
    rng = np.random.default_rng(seed)
    count = min(MOST_PERMUTATIONS, int(np.ceil(1 / level)))
    larger, step = 0, max(1, MEMORY // n)
    for first in range(0, count, step):
        size = min(step, count - first)
        permuted = rng.permuted(np.broadcast_to(labels, (size, n)), axis=1)
        values = ((permuted @ kernel) * permuted).sum(1)
        larger += int((values >= observed - 1e-12).sum())
    return Drift(observed, (1 + larger) / (1 + count))
