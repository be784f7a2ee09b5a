"""Eq. 7 with weights: nearer neighbours count more than farther ones."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.smoothing.neighbor_blocks import (
    check_options,
    make_items,
    neighbor_blocks,
    usable_ks,
)
from jax_dns.types import Facts, Setting, SmoothingRule

SMALLEST = 1e-12  # the least scale to divide distances by, where neighbours coincide


def gaussian_weights(distances: Float[np.ndarray, "m k"], bandwidth: float) -> np.ndarray:
    """Computes exp(-d^2 / 2 h^2), h being `bandwidth` times the farthest neighbour's distance."""
    return np.exp(-0.5 * (distances / _scale(distances, bandwidth)) ** 2)


def inverse_weights(distances: Float[np.ndarray, "m k"], bandwidth: float) -> np.ndarray:
    """Computes 1 / (1 + d / h), h being `bandwidth` times the farthest neighbour's distance."""
    return 1 / (1 + distances / _scale(distances, bandwidth))


def rank_weights(distances: Float[np.ndarray, "m k"], bandwidth: float) -> np.ndarray:
    """Computes 1 - r / K for the r-th nearest of K - 1 neighbours, whatever their distances."""
    k = distances.shape[1] + 1
    return np.broadcast_to(1 - np.arange(1, k) / k, distances.shape)


WEIGHTS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "gaussian": gaussian_weights,
    "inverse": inverse_weights,
    "rank": rank_weights,
}


def weighted(
    facts: Facts,
    *,
    ks: tuple[int, ...] = tuple(2**i for i in range(12)),
    metric: str = "euclidean",
    same_clip: bool = True,
    weights: str = "gaussian",
    bandwidth: float = 1.0,
) -> SmoothingRule:
    """Builds the rule: the weighted mean of an item's score, of weight 1, and its K - 1 nearest.

    Args:
      facts: of the data; not used.
      ks: the Ks to choose from, in order of preference.
      metric: "euclidean" or "cosine"; the distance of the latter is that of unit vectors.
      same_clip: whether a segment's neighbours may be of its own clip.
      weights: "gaussian", "inverse" or "rank".
      bandwidth: width of the first two, as a share of the distance to the farthest neighbour.

    Returns:
      The rule.

    Raises:
      InputError: a field outside of its choices.
    """
    check_options(metric, ks)
    options = dict(metric=metric, same_clip=same_clip)
    if weights not in WEIGHTS:
        raise InputError(f"weights: {weights!r}, expected {' or '.join(WEIGHTS)}")
    if not bandwidth > 0:
        raise InputError(f"bandwidth: {bandwidth!r}, expected more than 0")

    def smooth(scores, features, *, groups, pool, clip) -> dict[Setting, np.ndarray]:
        items = make_items(scores, features, groups=groups, pool=pool, clip=clip, **options)
        usable = usable_ks(ks, items, same_clip=same_clip)
        smoothed = {k: scores.copy() for k in usable}
        if max(usable, default=1) == 1:
            return smoothed
        for block in neighbor_blocks(items, max(usable) - 1):
            distances, neighbor_scores = np.sqrt(block.squared), scores[block.neighbors]
            for k in usable:
                if k > 1:
                    w = WEIGHTS[weights](distances[:, : k - 1], bandwidth)
                    total = scores[block.rows] + (w * neighbor_scores[:, : k - 1]).sum(1)
                    smoothed[k][block.rows] = total / (1 + w.sum(1))
        return smoothed

    return SmoothingRule(f"Weighted ({weights})", "K", tuple(ks), smooth)


def _scale(distances: np.ndarray, bandwidth: float) -> np.ndarray:
    return np.maximum(bandwidth * distances[:, -1:], SMALLEST)
