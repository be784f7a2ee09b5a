"""A second look, in float64, at queries whose K-th and next distance are too close to tell apart.

Rounding of the float32 products hides which of two candidates is nearer if their distances differ
by less than its bound. Only the candidates within that bound of the threshold are uncertain; their
distances are computed again from the features as given. Those that are equal then are ties, and
share what is left of the K - 1 places.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from jax_dns.smoothing.feature_space import to_metric_space
from jax_dns.smoothing.host.block_distances import to_rectangle

PAIRS = 2**13  # differences computed at once
DENSE = 1 / 16  # from this share of all pairs on a product is faster than differences
TIE = 1e-13  # relative difference of float64 distances that counts as none


def recheck(
    distances: Float[np.ndarray, "u c"],
    threshold: Float[np.ndarray, " u"],
    error: Float[np.ndarray, " u"],
    rank: int,
    scores: Float[np.ndarray, "*u c"],
    exact_distances: Callable[
        [Int[np.ndarray, "u p"], Bool[np.ndarray, "u p"]], tuple[np.ndarray, np.ndarray]
    ],
) -> Float[np.ndarray, " u"]:
    """Sums the scores of the `rank` nearest candidates of uncertain queries.

    Args:
      distances: [u, c] as computed.
      threshold: [u] the `rank`-th smallest of each row.
      error: [u] bound on the rounding of distances near the threshold.
      rank: K - 1.
      scores: [u, c] of the candidates, or [c].
      exact_distances: columns [u, p] and which of them to compute [u, p] -> their squared
        distances [u, p], and the rounding [u] of each row's.

    Returns:
      [u].
    """
    margin = 2 * error
    nearer = distances < (threshold - margin)[:, None]
    uncertain = (distances <= (threshold + margin)[:, None]) & ~nearer
    position = np.flatnonzero(uncertain)
    computed, columns = to_rectangle(position, distances.ravel()[position], distances.shape)
    wanted = np.isfinite(computed)
    exact, rounding = exact_distances(columns, wanted)
    exact = np.where(wanted, exact, np.inf)
    left = rank - np.count_nonzero(nearer, axis=1)
    exact_threshold = np.take_along_axis(np.sort(exact, axis=1), left[:, None] - 1, axis=1)
    tolerance = TIE * np.abs(exact_threshold) + rounding[:, None]
    below = exact < exact_threshold - tolerance
    tied = (exact <= exact_threshold + tolerance) & ~below
    share = (left - below.sum(1)) / tied.sum(1)
    weight = below + share[:, None] * tied
    of_uncertain = np.broadcast_to(scores, distances.shape)[
        np.arange(len(distances))[:, None], columns
    ]
    return sum_where(nearer, scores) + (of_uncertain * weight).sum(1)


def sum_where(
    near: Bool[np.ndarray, "b c"], scores: Float[np.ndarray, "*b c"]
) -> Float[np.ndarray, " b"]:
    """Sums each row's scores where `near`; scores [b, c], or [c], the same for all rows."""
    return np.einsum("...c,...c->...", near, scores)


def exact_pair_distances(
    queries: Float[np.ndarray, "u d"],
    features: Float[np.ndarray, "n d"],
    rows: Int[np.ndarray, "u c"],
    wanted: Bool[np.ndarray, "u c"],
    metric: str,
    *,
    as_differences: bool = False,
) -> tuple[Float[np.ndarray, "u c"], Float[np.ndarray, " u"]]:
    """Computes squared distances in float64.

    Args:
      queries: [u, d] as given.
      features: [n, d] as given.
      rows: [u, c] rows of `features`.
      wanted: [u, c] which distances to compute.
      metric: "euclidean" or "cosine".
      as_differences: whether to compute differences even where a product is faster.

    Returns:
      [u, c], undefined where not wanted, and a bound [u] on rounding that isn't relative to them.
    """

    def to_float64(x: np.ndarray) -> Float[np.ndarray, "r d"]:
        return to_metric_space(x.astype(np.float64), metric)

    is_used = np.zeros(len(features), bool)
    is_used[rows[wanted]] = True
    used = np.flatnonzero(is_used)
    if wanted.sum() > DENSE * len(queries) * len(used) and not as_differences:
        position = np.cumsum(is_used) - 1
        x, q = to_float64(features[used]), to_float64(queries)
        origin = x.mean(0)
        x, q = x - origin, q - origin
        norms, query_norms = (x**2).sum(1), (q**2).sum(1)
        every = query_norms[:, None] + norms[None] - 2 * q @ x.T
        rounding = np.finfo(np.float64).eps * (4 + np.sqrt(x.shape[1]))
        exact = np.take_along_axis(every, np.maximum(position[rows], 0), axis=1)
        return exact, rounding * (query_norms + norms.max())
    out = np.zeros(rows.shape)
    query, column = np.nonzero(wanted)
    for first in range(0, len(query), PAIRS):
        at = query[first : first + PAIRS], column[first : first + PAIRS]
        difference = to_float64(queries[at[0]]) - to_float64(features[rows[at]])
        out[at] = np.einsum("ij,ij->i", difference, difference)
    return out, np.zeros(len(out))
