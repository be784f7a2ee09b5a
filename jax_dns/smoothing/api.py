"""Eq. 7: discriminative neighbourhood smoothing of generative anomaly scores.

    a_prop(y_i) = (a_G(y_i) + sum of a_G over the K - 1 nearest of y_i) / K

`smooth`, `smooth_grid` and `smooth_queries` work on anyone's scores and features. Item i's
candidates are the items j != i of the same group that are in the pool. Queries go in blocks, so
that nothing of size N x N or N x K is ever held. Where the features are a JAX array on several
devices, all of them do the work, and the result lies as the scores do (see `sharded`).
"""

import functools
from typing import no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from jax_dns.smoothing.engine.grouped import smooth_by_selection, sorting_is_faster
from jax_dns.smoothing.reference import Queries, make_candidates, nearest, to_metric_space
from jax_dns.smoothing.sharded.arrays import is_sharded, match_sharding, to_host
from jax_dns.smoothing.sharded.query_blocks import smooth_sharded
from jax_dns.smoothing.streaming import smooth_streamed
from jax_dns.smoothing.validation import SmoothingInputs, is_traced, validate_inputs
from jax_dns.types import ArrayLike

BLOCK_BYTES = 2**26  # of one block of distances


@no_type_check  # it checks its arguments itself, and says more
def smooth(
    scores: Shaped[ArrayLike, " n"],
    features: Shaped[ArrayLike, "n d"],
    k: int,
    *,
    groups: Shaped[ArrayLike, " n"] | None = None,
    pool: Shaped[ArrayLike, " n"] | None = None,
    metric: str = "euclidean",
    block_size: int | None = None,
) -> Shaped[ArrayLike, " n"]:
    """Smooths scores over each item's neighbourhood (Eq. 7).

    Args:
      scores: [n] a_G, floating.
      features: [n, d] f_D.
      k: K, the item itself counted; 1 <= k <= 1 + the smallest number of candidates.
      groups: [n] integers; neighbours are of the same group. None: one group.
      pool: [n] booleans, which items may be neighbours. None: all.
      metric: "euclidean" or "cosine".
      block_size: queries in a block; None chooses.

    Returns:
      [n] in the type of `scores`: NumPy for NumPy, JAX for JAX. Computed in float32 unless x64 is
      enabled.

    Raises:
      ValueError: shapes that don't fit, values that aren't finite, a zero row under "cosine", an
        invalid k, more rows than there is memory for. Under `jit` and `vmap` (k static) only shapes
        are checked.
    """
    out = _grid(scores, features, (k,), groups, pool, metric, block_size)
    return _like(out[0], scores)


@no_type_check  # it checks its arguments itself, and says more
def smooth_grid(
    scores: Shaped[ArrayLike, " n"],
    features: Shaped[ArrayLike, "n d"],
    ks: tuple[int, ...] | list[int] | range,
    *,
    groups: Shaped[ArrayLike, " n"] | None = None,
    pool: Shaped[ArrayLike, " n"] | None = None,
    metric: str = "euclidean",
    block_size: int | None = None,
) -> Shaped[ArrayLike, "k n"]:
    """`smooth` for several K from one pass over the distances.

    Args:
      scores: see `smooth`, as for all arguments but `ks`.
      features: [n, d].
      ks: the Ks, in any order.
      groups: [n].
      pool: [n].
      metric: see `smooth`.
      block_size: see `smooth`.

    Returns:
      [len(ks), n], rows in the order of `ks`.

    Raises:
      ValueError: see `smooth`.
    """
    return _like(_grid(scores, features, ks, groups, pool, metric, block_size), scores)


@no_type_check  # it checks its arguments itself, and says more
def smooth_queries(
    query_scores: Shaped[ArrayLike, " m"],
    query_features: Shaped[ArrayLike, "m d"],
    scores: Shaped[ArrayLike, " n"],
    features: Shaped[ArrayLike, "n d"],
    k: int,
    *,
    query_groups: Shaped[ArrayLike, " m"] | None = None,
    groups: Shaped[ArrayLike, " n"] | None = None,
    pool: Shaped[ArrayLike, " n"] | None = None,
    metric: str = "euclidean",
    block_size: int | None = None,
) -> Shaped[ArrayLike, " m"]:
    """Smooths new items' scores over a stored history: the operating phase of Sec. III.

    Each query takes its own score and its k - 1 nearest rows of the history; every row of its group
    and of the pool is a candidate. A history that is a memory-mapped file beyond a quarter of the
    device's memory is read in chunks.

    Args:
      query_scores: [m] a_G of the new items.
      query_features: [m, d].
      scores: [n] a_G of the history.
      features: [n, d].
      k: K, the query itself counted.
      query_groups: [m]; needed where `groups` is given, and only there.
      groups: [n].
      pool: [n].
      metric: see `smooth`.
      block_size: see `smooth`.

    Returns:
      [m] in the type of `query_scores`.

    Raises:
      ValueError: see `smooth`.
    """
    problem = validate_inputs(
        scores,
        features,
        (k,),
        groups=groups,
        pool=pool,
        metric=metric,
        queries=(query_scores, query_features, query_groups),
        block_size=block_size,
    )
    if isinstance(problem.features, np.memmap) and k > 1:
        out = smooth_streamed(
            problem.query_scores,
            problem.query_features,
            problem.query_groups,
            problem.scores,
            problem.features,
            problem.groups,
            problem.pool,
            k,
            metric=metric,
        )
        return _like(out, query_scores)
    out = _smooth(
        problem,
        problem.query_scores,
        problem.query_features,
        problem.query_groups,
        own=False,
        metric=metric,
        block_size=block_size,
    )
    return _like(out[0], query_scores)


@functools.partial(jax.jit, static_argnames=("ks", "metric", "block"))
def smooth_blocks(
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    groups: Int[Array, " n"],
    pool: Bool[Array, " n"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    query_groups: Int[Array, " m"],
    own: Int[Array, " m"],
    unit: Int[Array, " n"] | None = None,
    *,
    ks: tuple[int, ...],
    metric: str,
    block: int,
) -> Float[Array, "k m"]:
    """The readable form of Eq. 7: distances, top-k, gather, mean, block by block.

    `own` [m] and `unit` [n] say what may not be a neighbour, see `block_distances`.
    """
    features, query_features = (
        to_metric_space(features, metric),
        to_metric_space(query_features, metric),
    )
    mean = features.mean(0, keepdims=True)
    items = make_candidates(features - mean, groups, pool, unit)
    queries = Queries(query_features - mean, query_groups, own)
    others = max(ks) - 1
    m = len(query_scores)

    def one_block(inputs: tuple[Array, Queries]) -> Float[Array, "b k"]:
        a_query, block_queries = inputs
        if others == 0:
            return jnp.broadcast_to(a_query[:, None], (block, len(ks)))
        neighbours = scores[nearest(block_queries, items, others)]
        sums = jnp.cumsum(jnp.concatenate([a_query[:, None], neighbours], axis=1), axis=1)
        return sums[:, jnp.asarray(ks) - 1] / jnp.asarray([ks], sums.dtype)

    def blocks(x: Array) -> Array:
        padded = jnp.pad(x, [(0, -m % block)] + [(0, 0)] * (x.ndim - 1))
        return padded.reshape(-1, block, *x.shape[1:])

    out = jax.lax.map(one_block, (blocks(query_scores), jax.tree.map(blocks, queries)))
    return out.reshape(-1, len(ks))[:m].T


def _grid(scores, features, ks, groups, pool, metric, block_size) -> Float[Array, "k n"]:
    """All of `smooth_grid` but the result's type."""
    problem = validate_inputs(
        scores, features, ks, groups=groups, pool=pool, metric=metric, block_size=block_size
    )
    return _smooth(
        problem,
        problem.scores,
        problem.features,
        problem.groups,
        own=True,
        metric=metric,
        block_size=block_size,
    )


def _smooth(
    problem: SmoothingInputs, query_scores, query_features, query_groups, *, own, metric, block_size
) -> Float[Array, "k m"]:
    """Sorts where the problem is small, selects elsewhere and where it is spread over devices."""
    n, m = len(problem.scores), len(query_scores)
    if is_sharded(problem.features):
        return smooth_sharded(
            problem,
            query_scores,
            query_features,
            query_groups,
            own=own,
            metric=metric,
            block_size=block_size,
        )
    if not sorting_is_faster(n, max(problem.ks)):
        return smooth_by_selection(
            problem,
            query_scores,
            query_features,
            query_groups,
            own=own,
            metric=metric,
            block_size=block_size,
        )
    block = min(m, block_size or max(1, BLOCK_BYTES // (4 * n)))
    groups, pool, query_groups = map(jnp.asarray, (problem.groups, problem.pool, query_groups))
    return smooth_blocks(
        problem.scores,
        problem.features,
        groups.astype(jnp.int32),
        pool,
        query_scores,
        query_features,
        query_groups.astype(jnp.int32),
        jnp.arange(m) if own else jnp.full(m, -1),
        ks=problem.ks,
        metric=metric,
        block=block,
    )


def _like(out: Array, given: ArrayLike) -> ArrayLike:
    if isinstance(given, jax.Array) or is_traced(out):
        return match_sharding(out.astype(given.dtype), given)
    return to_host(out).astype(np.asarray(given).dtype)
