"""Eq. 7 by a double loop in float64, and the rule of exactness that results are held to.

Neighbours may differ from the loop's only where their squared distance is within
2e-6 (|x_i|^2 + max_j |x_j|^2) of the K-th, norms taken after the mean of the group is subtracted.
"""

import math

import jax.numpy as jnp
import numpy as np

from jax_dns.smoothing.reference import smooth_blocks

TOLERANCE = 2e-6


def bounds(scores, features, k, query_scores, query_features, candidates, tolerance=TOLERANCE):
    """Smallest and largest legal value of each item, by a loop over items in float64."""
    low, high = np.empty(len(query_features)), np.empty(len(query_features))
    for i, query in enumerate(query_features):
        if k == 1:
            low[i] = high[i] = query_scores[i]
            continue
        rows = np.flatnonzero(candidates[i])
        distances = ((query - features[rows]) ** 2).sum(1)
        limit = np.sort(distances)[k - 2]
        slack = tolerance * ((query**2).sum() + (features[rows] ** 2).sum(1).max())
        certain = rows[distances < limit - slack]
        tied = np.sort(scores[rows[np.abs(distances - limit) <= slack]])
        free = k - 1 - len(certain)
        # `fsum` rounds once: a sum of equal scores would be further off than the result may be.
        sure = query_scores[i], *scores[certain]
        low[i] = math.fsum((*sure, *tied[:free])) / k
        high[i] = math.fsum((*sure, *tied[len(tied) - free :])) / k
    return low, high


def check(
    got,
    scores,
    features,
    k,
    groups=None,
    pool=None,
    metric="euclidean",
    queries=None,
    tolerance=TOLERANCE,
):
    """Asserts that `got` is legal; `queries` are scores, features and groups of further items."""
    n = len(scores)
    groups = np.zeros(n, int) if groups is None else groups
    pool = np.ones(n, bool) if pool is None else pool
    query_scores, query_features, query_groups = queries or (scores, features, groups)
    candidates = pool[None] & (query_groups[:, None] == groups[None])
    if queries is None:
        candidates &= ~np.eye(n, dtype=bool)
    x, q = features.astype(np.float64), query_features.astype(np.float64)
    if metric == "cosine":
        x, q = (y / np.linalg.norm(y, axis=1, keepdims=True) for y in (x, q))
    for group in np.unique(groups):
        mean = x[groups == group].mean(0)
        x[groups == group] -= mean
        q[query_groups == group] -= mean
    precise = np.asarray(scores, np.float64), np.asarray(query_scores, np.float64)
    low, high = bounds(precise[0], x, k, precise[1], q, candidates, tolerance)
    every = np.append(*precise)
    rounding = 2e-6 * np.ptp(every) + np.finfo(got.dtype).eps * np.abs(every).max()
    assert (got >= low - rounding).all() and (got <= high + rounding).all()


def plain(scores, features, ks, groups=None, pool=None, metric="euclidean"):
    """Eq. 7 in its readable form."""
    n = len(scores)
    groups = np.zeros(n, np.int32) if groups is None else groups.astype(np.int32)
    pool = np.ones(n, bool) if pool is None else pool
    one = jnp.asarray(scores, jnp.float32), jnp.asarray(features), jnp.asarray(groups)
    return smooth_blocks(
        *one[:3], jnp.asarray(pool), *one, jnp.arange(n), ks=ks, metric=metric, block=256
    )


def agree(got, expected):
    """Equal but for the few rows whose K-th and next distance round to the other order."""
    assert np.isclose(got, expected, atol=1e-5).mean() > 0.999
    np.testing.assert_allclose(got, expected, atol=0.1)
