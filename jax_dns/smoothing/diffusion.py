"""Diffusion of scores over the graph of neighbours (after Zhou et al. 2003).

    f_i = (1 - alpha) a_i + alpha mean of f over the K - 1 nearest of i

is a sparse linear system. Its matrix has rows that sum to one, so equal scores stay as they are;
the symmetric normalisation of the original would weigh items by their number of neighbours.
"""

import numpy as np
from jaxtyping import Float, Int

from jax_dns.errors import InputError
from jax_dns.smoothing.neighbor_blocks import (
    check_options,
    make_items,
    neighbor_blocks,
    usable_ks,
)
from jax_dns.types import Facts, Setting, SmoothingRule

TOLERANCE = 1e-9  # of the solver, relative to the right side's norm


def diffusion(
    facts: Facts,
    *,
    ks: tuple[int, ...] = tuple(2**i for i in range(8)),
    metric: str = "euclidean",
    same_clip: bool = True,
    alpha: float = 0.9,
) -> SmoothingRule:
    """Builds the rule.

    Args:
      facts: of the data; not used.
      ks: the Ks to choose from, in order of preference.
      metric: "euclidean" or "cosine".
      same_clip: whether a segment's neighbours may be of its own clip.
      alpha: share of the neighbours at each step, at least 0 and less than 1.

    Returns:
      The rule.

    Raises:
      InputError: an unknown metric, or numbers out of range.
    """
    check_options(metric, ks)
    options = dict(metric=metric, same_clip=same_clip)
    if not 0 <= alpha < 1:
        raise InputError(f"alpha: {alpha!r}, expected at least 0 and less than 1")

    def smooth(scores, features, *, groups, pool, clip) -> dict[Setting, np.ndarray]:
        items = make_items(scores, features, groups=groups, pool=pool, clip=clip, **options)
        smoothed = {}
        for k in usable_ks(ks, items, same_clip=same_clip):
            smoothed[k] = scores.copy()
            if k > 1:
                neighbors = np.empty((len(scores), k - 1), np.int32)
                for block in neighbor_blocks(items, k - 1):
                    neighbors[block.rows] = block.neighbors
                smoothed[k] = diffuse(scores, neighbors, alpha).astype(scores.dtype)
        return smoothed

    return SmoothingRule("Diffusion", "K", tuple(ks), smooth)


def diffuse(
    scores: Float[np.ndarray, " n"], neighbors: Int[np.ndarray, "n k"], alpha: float
) -> Float[np.ndarray, " n"]:
    """Solves (I - alpha P) f = (1 - alpha) a, P the mean over each item's neighbours.

    Args:
      scores: [n] a.
      neighbors: [n, k] rows.
      alpha: at least 0 and less than 1.

    Returns:
      [n] f, float64.

    Raises:
      InputError: the solver doesn't converge.
    """
    from scipy import sparse
    from scipy.sparse.linalg import gmres

    n, k = neighbors.shape
    starts = np.arange(0, n * k + 1, k)
    mean = sparse.csr_array((np.full(n * k, 1 / k), neighbors.ravel(), starts), shape=(n, n))
    right = (1 - alpha) * scores.astype(np.float64)
    solution, info = gmres(
        sparse.eye_array(n) - alpha * mean, right, x0=scores, rtol=TOLERANCE, maxiter=200
    )
    if info:
        raise InputError(
            f"alpha: {alpha!r}, expected a smaller one: the diffusion doesn't converge"
        )
    return solution
