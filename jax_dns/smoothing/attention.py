"""Soft Eq. 7: attention over all candidates instead of a mean over the K - 1 nearest.

Item i's score becomes sum_j softmax_j(-|x_i - x_j|^2 / tau) a_j, which is attention with the logits
(2 x_i.x_j - |x_j|^2) / tau.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jax_dns.errors import InputError
from jax_dns.smoothing.neighbor_blocks import check_options, distance_blocks, make_items
from jax_dns.types import ArrayLike, Facts, Setting, SmoothingRule

SMALLEST = 1e-30  # the least temperature, where all features coincide


def attention(
    facts: Facts,
    *,
    temperatures: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    metric: str = "euclidean",
    same_clip: bool = True,
) -> SmoothingRule:
    """Builds the rule. An item attends to itself, at distance 0, and to its candidates.

    Args:
      facts: of the data; not used.
      temperatures: tau, in units of the mean squared distance between an item and a candidate of
        its group; values to choose from, in order of preference.
      metric: "euclidean" or "cosine".
      same_clip: whether a segment's candidates may be of its own clip.

    Returns:
      The rule.

    Raises:
      InputError: an unknown metric, or temperatures that aren't above 0.
    """
    check_options(metric, (1,))
    options = dict(metric=metric, same_clip=same_clip)
    if not temperatures or not all(t > 0 for t in temperatures):
        raise InputError(f"temperatures: {temperatures!r}, expected values above 0")

    def smooth(scores, features, *, groups, pool, clip) -> dict[Setting, np.ndarray]:
        items = make_items(scores, features, groups=groups, pool=pool, clip=clip, **options)
        total, count = np.zeros(len(scores)), np.zeros(len(scores))
        for block in distance_blocks(items):
            candidate = np.isfinite(block.squared)
            total[block.rows] = np.where(candidate, block.squared, 0).sum(1)
            count[block.rows] = candidate.sum(1)
        scale = np.zeros(len(scores), np.float32)
        for group in np.unique(groups):
            rows = groups == group
            scale[rows] = total[rows].sum() / max(count[rows].sum(), 1)
        smoothed = {t: np.empty_like(scores) for t in temperatures}
        for block in distance_blocks(items):
            for t, out in smoothed.items():
                tau = np.maximum(np.float32(t) * scale[block.rows], SMALLEST)
                values = soft_mean(block.squared, tau, scores[block.members], scores[block.rows])
                out[block.rows] = values
        return smoothed

    return SmoothingRule("Attention", "tau", tuple(temperatures), smooth)


@jax.jit
def soft_mean(
    squared: Float[ArrayLike, "m n"],
    tau: Float[ArrayLike, " m"],
    scores: Float[ArrayLike, " n"],
    own_scores: Float[ArrayLike, " m"],
) -> Float[Array, " m"]:
    """Averages scores with the weights softmax(-squared / tau), and each query's own at 0.

    Args:
      squared: [m, n] squared distances, infinite where an item is no candidate.
      tau: [m].
      scores: [n] of the items.
      own_scores: [m] of the queries.

    Returns:
      [m].
    """
    # No logit is above the query's own, 0, so that exp can't overflow.
    w = jnp.exp(-squared / tau[:, None])
    return (own_scores + jnp.matmul(w, scores, precision=jax.lax.Precision.HIGHEST)) / (
        1 + w.sum(1)
    )
