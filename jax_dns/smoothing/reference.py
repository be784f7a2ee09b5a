"""Eq. 7 in its readable form: distances, top-k, gather, mean.

    a_prop(y_i) = (a_G(y_i) + sum of a_G over the K - 1 nearest neighbours of y_i) / K

Squared Euclidean distances are computed as |q|^2 + |x|^2 - 2 q.x in each group's frame (see
`feature_space`).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.feature_space import to_group_frames, to_metric_space
from jax_dns.smoothing.validation import SmoothingInputs

BLOCK_BYTES = 2**26  # of one block of distances


class Candidates(NamedTuple):
    """Items that may be neighbours."""

    features: Float[Array, "n d"]
    norms: Float[Array, " n"]  # squared
    groups: Int[Array, " n"]
    pool: Bool[Array, " n"]
    identity: Int[Array, " n"]  # the item's own number, or its clip's


class Queries(NamedTuple):
    """Items whose neighbours are sought; none of them has the query's identity (-1: no item's)."""

    features: Float[Array, "m d"]
    groups: Int[Array, " m"]
    identity: Int[Array, " m"]


@functools.partial(jax.jit, static_argnames=("ks", "metric", "block"))
def smooth_blocks(
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    groups: Int[Array, " n"],
    pool: Bool[Array, " n"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    query_groups: Int[Array, " m"],
    query_identity: Int[Array, " m"],
    identity: Int[Array, " n"] | None = None,
    *,
    ks: tuple[int, ...],
    metric: str,
    block: int,
) -> Float[Array, "k m"]:
    """Smooths block after block of queries (Eq. 7).

    Args:
      scores: [n] a_G of the items.
      features: [n, d] f_D of the items.
      groups: [n] neighbours are of the same group.
      pool: [n] which items may be neighbours.
      query_scores: [m] a_G of the queries.
      query_features: [m, d] f_D of the queries.
      query_groups: [m].
      query_identity: [m] items of this identity are no candidates of the query; -1: all are.
      identity: [n] of the items; None: their numbers.
      ks: the Ks, the query itself counted.
      metric: "euclidean" or "cosine".
      block: queries in a block.

    Returns:
      [len(ks), m], rows in the order of `ks`.
    """
    features, query_features = map(jax.lax.stop_gradient, (features, query_features))
    features, query_features = to_group_frames(
        to_metric_space(features, metric),
        groups,
        pool,
        to_metric_space(query_features, metric),
        query_groups,
    )
    items = make_candidates(features, groups, pool, identity)
    queries = Queries(query_features, query_groups, query_identity)
    n_neighbors = max(ks) - 1
    m = len(query_scores)

    def smooth_block(inputs: tuple[Array, Queries]) -> Float[Array, "b k"]:
        own_scores, block_queries = inputs
        neighbor_scores = scores[nearest(block_queries, items, n_neighbors)]
        sums = jnp.cumsum(jnp.concatenate([own_scores[:, None], neighbor_scores], axis=1), axis=1)
        return sums[:, jnp.asarray(ks) - 1] / jnp.asarray([ks], sums.dtype)

    blocks = jax.tree.map(lambda x: split_rows(x, block), (query_scores, queries))
    return jax.lax.map(smooth_block, blocks).reshape(-1, len(ks))[:m].T


def smooth_readably(inputs: SmoothingInputs) -> Float[Array, "k m"]:
    """Smooths checked arguments by `smooth_blocks`."""
    real = jax.dtypes.canonicalize_dtype(np.float64)
    n, m = len(inputs.scores), len(inputs.query_scores)
    return smooth_blocks(
        jnp.asarray(inputs.scores, real),
        jnp.asarray(inputs.features, real),
        jnp.asarray(inputs.groups, jnp.int32),
        jnp.asarray(inputs.pool),
        jnp.asarray(inputs.query_scores, real),
        jnp.asarray(inputs.query_features, real),
        jnp.asarray(inputs.query_groups, jnp.int32),
        jnp.arange(m) if inputs.exclude_self else jnp.full(m, -1),
        ks=inputs.ks,
        metric=inputs.metric,
        block=min(m, inputs.block_size or max(1, BLOCK_BYTES // (4 * n))),
    )


def make_candidates(
    features: Float[Array, "n d"],
    groups: Int[Array, " n"],
    pool: Bool[Array, " n"],
    identity: Int[Array, " n"] | None = None,
) -> Candidates:
    """Computes the items' norms, once for all blocks."""
    identity = jnp.arange(len(pool)) if identity is None else identity
    return Candidates(features, jnp.sum(features**2, axis=-1), groups, pool, identity)


def block_distances(queries: Queries, items: Candidates) -> Float[Array, "m n"]:
    """Computes squared distances, infinite where an item is no candidate.

    Item j is a candidate of query i if it is in the pool, of the same group, and of another
    identity: not i itself, or not of i's clip. Items equal to i in value are candidates.
    """
    norms = jnp.sum(queries.features**2, axis=-1)
    # Highest precision: the default on GPU and TPU rounds the products' factors to 10 or 8 bits.
    products = jnp.matmul(queries.features, items.features.T, precision=jax.lax.Precision.HIGHEST)
    distances = jnp.maximum(norms[:, None] + items.norms[None, :] - 2 * products, 0)
    candidate = (
        items.pool[None, :]
        & (queries.groups[:, None] == items.groups[None, :])
        & (queries.identity[:, None] != items.identity[None, :])
    )
    return jnp.where(candidate, distances, jnp.inf)


def nearest(queries: Queries, items: Candidates, count: int) -> Int[Array, "m count"]:
    """Returns the numbers of each query's `count` nearest candidates, nearest first."""
    return jax.lax.top_k(-block_distances(queries, items), count)[1]


def split_rows(x: Array, block: int) -> Array:
    """Splits [m, ...] into blocks [ceil(m / block), block, ...], the last one padded with zeros."""
    padded = jnp.pad(x, [(0, -len(x) % block)] + [(0, 0)] * (x.ndim - 1))
    return padded.reshape(-1, block, *x.shape[1:])
