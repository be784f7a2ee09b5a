"""Discriminative neighbourhood smoothing of generative anomaly scores (Eq. 7).

    a_prop(y_i) = (a_G(y_i) + sum of a_G over the K - 1 nearest neighbours of y_i) / K

`smooth`, `smooth_grid` and `smooth_queries` take any scores and features. Item i's candidates are
the items j != i of the same group that are in the pool. Queries are processed in blocks, so nothing
of size n x n or n x K is ever held. Features that are a JAX array on several devices are smoothed
on all of them, and the result is sharded as the scores are (see `sharded`).

`reference.smooth_blocks` is Eq. 7 in its readable form.
"""

from collections.abc import Callable
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from jax_dns.smoothing import routes
from jax_dns.smoothing.engine.gpu_items import NotForGpu, plain_inputs, smooth_items_on_gpu
from jax_dns.smoothing.neighbor_search import neighbors
from jax_dns.smoothing.score_scale import fit_score_scale, scale_scores, unscale_scores
from jax_dns.smoothing.sharded.arrays import is_sharded, match_sharding, to_host
from jax_dns.smoothing.validation import SmoothingInputs, validate_inputs
from jax_dns.types import ArrayLike

__all__ = ["neighbors", "smooth", "smooth_grid", "smooth_queries"]

Route = Callable[[SmoothingInputs], Float[ArrayLike, "k m"]]


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
      scores: [n] a_G, numbers: an array, or what `numpy.asarray` converts (a list, a column of
        pandas, a tensor on the CPU), as for all arrays.
      features: [n, d] f_D, numbers.
      k: K, the item itself counted; 1 <= k <= 1 + the smallest number of candidates.
      groups: [n] integers; neighbours are of the same group. None: one group.
      pool: [n] booleans, which items may be neighbours. None: all.
      metric: "euclidean" or "cosine".
      block_size: queries in a block; None chooses.

    Returns:
      [n] in the type of `scores`: JAX for JAX, else NumPy; float64 for whole numbers. Computed in
      float32 unless x64 is enabled.

    Raises:
      ValueError: shapes that don't match, values that aren't finite, a zero row under "cosine", an
        invalid k, more rows than memory allows. Under `jit` and `vmap` (k static) only shapes are
        checked.
    """
    out = _smooth_items(scores, features, (k,), groups, pool, metric, block_size)
    return match_sharding(out[0], scores)


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
    return _smooth_items(scores, features, ks, groups, pool, metric, block_size)


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
    return match_sharding(_smooth(inputs, query_scores)[0], query_scores)


def _smooth_items(
    scores: Any,
    features: Any,
    ks: Any,
    groups: Any,
    pool: Any,
    metric: str,
    block_size: int | None,
) -> Float[ArrayLike, "k n"]:
    """Smooths items that are their own queries."""
    if groups is None and pool is None:
        inputs = plain_inputs(scores, features, ks, metric=metric, block_size=block_size)
        if inputs is not None and not routes.is_for_host(inputs):
            try:
                return _smooth(inputs, scores, smooth_items_on_gpu)
            except NotForGpu:
                pass
    inputs = validate_inputs(
        scores, features, ks, groups=groups, pool=pool, metric=metric, block_size=block_size
    )
    return _smooth(inputs, scores)


def _smooth(
    inputs: SmoothingInputs, scores: Any, route: Route | None = None
) -> Shaped[ArrayLike, "k m"]:
    """Smooths for all Ks; the result has the type and the sharding of the query scores.

    Args:
      inputs: checked arguments.
      scores: [m] the query scores as they were given.
      route: through Eq. 7; None: chosen.

    Returns:
      [len(inputs.ks), m].
    """
    given, route = inputs.query_scores, route or routes.smooth_by_route
    if inputs.is_traced() or is_sharded(given):
        real = jax.dtypes.canonicalize_dtype(np.float64)
        means = _smooth_scaled(
            inputs, lambda x: match_sharding(route(x), given), lambda x: jnp.asarray(x, real)
        )
        return match_sharding(_by_k(inputs.ks, jnp.asarray(given), means), scores)
    host = _smooth_scaled(inputs, lambda x: to_host(route(x)), lambda x: to_host(x).astype(float))
    out = _by_k(inputs.ks, np.asarray(given), host)
    if not isinstance(given, jax.Array):
        return out
    return jax.device_put(out, given.sharding) if given.committed else jnp.asarray(out)


def _smooth_scaled(
    inputs: SmoothingInputs, route: Route, convert: Callable[[ArrayLike], ArrayLike]
) -> dict[int, Float[ArrayLike, " m"]]:
    """Smooths for the Ks above 1, with scores in a range where sums keep their digits."""
    ks = tuple(dict.fromkeys(k for k in inputs.ks if k > 1))
    if not ks:
        return {}
    scores, query_scores = convert(inputs.scores), convert(inputs.query_scores)
    scale = fit_score_scale(scores, query_scores)
    scaled = inputs._replace(
        scores=scale_scores(scores, scale), query_scores=scale_scores(query_scores, scale), ks=ks
    )
    means = unscale_scores(convert(route(scaled)), scale)
    return {k: means[row] for row, k in enumerate(ks)}


def _by_k(
    ks: tuple[int, ...], scores: Shaped[ArrayLike, " m"], means: dict[int, Float[ArrayLike, " m"]]
) -> Shaped[ArrayLike, "k m"]:
    """Stacks the means for each K, in the type of the scores, which are those for K = 1."""
    xp = scores.__array_namespace__()
    return xp.stack([scores if k == 1 else means[k].astype(scores.dtype) for k in ks])
