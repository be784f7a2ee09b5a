"""Eq. 7 by a double loop in float64, and the rule of exactness that results are held to.

Neighbours may differ from the loop's only where their squared distance is within
2e-6 (|x_i|^2 + max_j |x_j|^2) of the K-th, norms taken after the mean is subtracted.
"""

import jax.numpy as jnp
import numpy as np

from jax_dns.smoothing.reference import smooth_blocks

TOLERANCE = 2e-6


def bounds(scores, features, k, query_scores, query_features, candidates, metric="euclidean"):
    """Smallest and largest legal value of each item, by a loop over items in float64."""
    x, q = features.astype(np.float64), query_features.astype(np.float64)
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        q = q / np.linalg.norm(q, axis=1, keepdims=True)
    mean = x.mean(0)
    x, q = x - mean, q - mean
    norms = (x**2).sum(1)
    low, high = np.empty(len(q)), np.empty(len(q))
    for i in range(len(q)):
        rows = np.flatnonzero(candidates[i])
        if k == 1:
            low[i] = high[i] = query_scores[i]
            continue
        distances = np.asarray([((q[i] - x[j]) ** 2).sum() for j in rows])
        limit = np.sort(distances)[k - 2]
        slack = TOLERANCE * ((q[i] ** 2).sum() + norms.max())
        certain = rows[distances < limit - slack]
        tied = np.sort(scores[rows[np.abs(distances - limit) <= slack]])
        free = k - 1 - len(certain)
        total = query_scores[i] + scores[certain].sum()
        low[i] = (total + tied[:free].sum()) / k
        high[i] = (total + tied[len(tied) - free :].sum()) / k
    return low, high


def check(got, scores, features, k, groups=None, pool=None, metric="euclidean", queries=None):
    """Asserts that `got` is legal."""
    n = len(scores)
    groups = np.zeros(n, int) if groups is None else groups
    pool = np.ones(n, bool) if pool is None else pool
    if queries is None:
        candidates = pool[None] & (groups[:, None] == groups[None]) & ~np.eye(n, dtype=bool)
        low, high = bounds(scores, features, k, scores, features, candidates, metric)
    else:
        query_scores, query_features, query_groups = queries
        candidates = pool[None] & (query_groups[:, None] == groups[None])
        low, high = bounds(scores, features, k, query_scores, query_features, candidates, metric)
    slack = 2e-6 * (1 + np.abs(scores).max())
    assert (got >= low - slack).all() and (got <= high + slack).all()


def plain(scores, features, ks, groups=None, pool=None, metric="euclidean"):
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
