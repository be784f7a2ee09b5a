"""Discriminative neighbourhood smoothing of generative anomaly scores (Eq. 7).

    a_prop(y_i) = (a_G(y_i) + sum of a_G over the K - 1 nearest neighbours of y_i) / K

`smooth`, `smooth_grid` and `smooth_queries` take any scores and features. Item i's candidates are
the items j != i of the same group that are in the pool. Queries are processed in blocks, so nothing
of size n x n or n x K is ever held. Features that are a JAX array on several devices are smoothed
on all of them, and the result is sharded as the scores are (see `sharded`).

`reference.smooth_blocks` is Eq. 7 in its readable form.
"""

from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from jax_dns.smoothing.engine.gpu_items import smooth_items_on_gpu
from jax_dns.smoothing.engine.grouped import smooth_by_selection
from jax_dns.smoothing.reference import smooth_blocks
from jax_dns.smoothing.sharded.arrays import is_sharded, match_sharding, to_host
from jax_dns.smoothing.sharded.query_blocks import smooth_sharded
from jax_dns.smoothing.streaming import smooth_streamed
from jax_dns.smoothing.validation import SmoothingInputs, is_traced, validate_inputs
from jax_dns.types import ArrayLike

BLOCK_BYTES = 2**26  # of one block of distances
MAX_SORTED = 2**13  # n x K; on CPU both ways take the same time at n = 500, K = 16, within 1 ms


@no_type_check  # validate_inputs checks the arguments, with clearer errors
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
    """Smooths each item's score over its neighbourhood (Eq. 7).

    Args:
      scores: [n] a_G, floating.
      features: [n, d] f_D, floating.
      k: K, the item itself counted; 1 <= k <= 1 + the smallest number of candidates.
      groups: [n] integers; neighbours are of the same group. None: one group.
      pool: [n] booleans, which items may be neighbours. None: all.
      metric: "euclidean" or "cosine".
      block_size: queries in a block; None chooses.

    Returns:
      [n] in the type of `scores`: NumPy for NumPy, JAX for JAX. Computed in float32 unless x64 is
      enabled.

    Raises:
      ValueError: shapes that don't match, values that aren't finite, a zero row under "cosine", an
        invalid k, more rows than memory allows. Under `jit` and `vmap` (k static) only shapes are
        checked.
    """
    out = _smooth_items(scores, features, (k,), groups, pool, metric, block_size)
    return _match_type(out[0], scores)


@no_type_check  # validate_inputs checks the arguments, with clearer errors
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
    """Smooths as `smooth` does, for several K in one pass over the distances.

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
    out = _smooth_items(scores, features, ks, groups, pool, metric, block_size)
    return _match_type(out, scores)


@no_type_check  # validate_inputs checks the arguments, with clearer errors
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

    Averages each query's own score and those of its k - 1 nearest rows of the history; every row of
    its group and of the pool is a candidate. A history that is a memory-mapped file beyond a
    quarter of the device's memory is read in chunks.

    Args:
      query_scores: [m] a_G of the new items.
      query_features: [m, d].
      scores: [n] a_G of the history.
      features: [n, d].
      k: K, the query itself counted.
      query_groups: [m]; needed if `groups` is given, and only then.
      groups: [n].
      pool: [n].
      metric: see `smooth`.
      block_size: see `smooth`.

    Returns:
      [m] in the type of `query_scores`.

    Raises:
      ValueError: see `smooth`.
    """
    inputs = validate_inputs(
        scores,
        features,
        (k,),
        groups=groups,
        pool=pool,
        metric=metric,
        queries=(query_scores, query_features, query_groups),
        block_size=block_size,
    )
    queries = inputs.query_scores, inputs.query_features, inputs.query_groups
    options = dict(exclude_self=False, metric=metric, block_size=block_size)
    return _match_type(_smooth(inputs, *queries, **options)[0], query_scores)


def _smooth_items(
    scores, features, ks, groups, pool, metric, block_size
) -> Float[ArrayLike, "k n"]:
    """Smooths items that are their own queries."""
    if groups is None and pool is None:
        out = smooth_items_on_gpu(scores, features, ks, metric=metric, block_size=block_size)
        if out is not None:
            return out
    inputs = validate_inputs(
        scores, features, ks, groups=groups, pool=pool, metric=metric, block_size=block_size
    )
    queries = inputs.scores, inputs.features, inputs.groups
    options = dict(exclude_self=True, metric=metric, block_size=block_size)
    return _smooth(inputs, *queries, **options)


def _smooth(
    inputs: SmoothingInputs,
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    query_groups: Any,
    *,
    exclude_self: bool,
    metric: str,
    block_size: int | None,
) -> Float[Array, "k m"]:
    """Chooses the route through Eq. 7."""
    n, m = len(inputs.scores), len(query_scores)
    queries = query_scores, query_features, query_groups
    options = dict(exclude_self=exclude_self, metric=metric, block_size=block_size)
    if isinstance(inputs.features, np.memmap) and max(inputs.ks) > 1:
        history = inputs.scores, inputs.features, inputs.groups, inputs.pool
        return smooth_streamed(*queries, *history, max(inputs.ks), metric=metric)[None]
    if is_sharded(inputs.features):
        return smooth_sharded(inputs, *queries, **options)
    if max(inputs.ks) > 1 and n * max(inputs.ks) > MAX_SORTED:
        return smooth_by_selection(inputs, *queries, **options)
    groups, pool, query_groups = map(jnp.asarray, (inputs.groups, inputs.pool, query_groups))
    return smooth_blocks(
        inputs.scores,
        inputs.features,
        groups.astype(jnp.int32),
        pool,
        query_scores,
        query_features,
        query_groups.astype(jnp.int32),
        jnp.arange(m) if exclude_self else jnp.full(m, -1),
        ks=inputs.ks,
        metric=metric,
        block=min(m, block_size or max(1, BLOCK_BYTES // (4 * n))),
    )


def _match_type(out: Float[ArrayLike, "*k m"], scores: ArrayLike) -> ArrayLike:
    """Returns results in the type, and the sharding, of the scores that they belong to."""
    if isinstance(scores, jax.Array) or is_traced(out):
        return match_sharding(out.astype(scores.dtype), scores)
    return to_host(out).astype(np.asarray(scores).dtype)
