"""The neighbours themselves, for uses of one's own: which items Eq. 7 averages over."""

from typing import no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from jax_dns.errors import InputError
from jax_dns.smoothing import routes
from jax_dns.smoothing.host.nearest_on_host import nearest_on_host
from jax_dns.smoothing.memory_estimate import check_host_memory, check_neighbor_memory
from jax_dns.smoothing.neighbor_blocks import Items, neighbor_blocks
from jax_dns.smoothing.sharded.arrays import to_host
from jax_dns.smoothing.validation import (
    SmoothingInputs,
    check_device_range,
    is_traced,
    validate_inputs,
)
from jax_dns.types import ArrayLike


@no_type_check  # validate_inputs checks the arguments, with clearer errors
def neighbors(
    features: Shaped[ArrayLike, "n d"],
    k: int,
    *,
    groups: Shaped[ArrayLike, " n"] | None = None,
    pool: Shaped[ArrayLike, " n"] | None = None,
    metric: str = "euclidean",
    block_size: int | None = None,
) -> tuple[Int[ArrayLike, "n k"], Float[ArrayLike, "n k"]]:
    """Finds each item's neighbourhood: the items that `smooth` averages over.

    `scores[indices].mean(axis=1)` is `smooth(scores, features, k)` where no distances are equal;
    of equally near items the lowest number comes first here, while `smooth` gives all of them
    the same share. Exact, in blocks: nothing of size n x n is held. On a CPU in the order of
    distances in float64; elsewhere as exact as float32 is.

    Args:
      features: [n, d] f_D; see `smooth`, as for all arguments.
      k: K, the item itself counted; 1 <= k <= 1 + the smallest number of candidates.
      groups: [n] integers; neighbours are of the same group. None: one group.
      pool: [n] booleans, which items may be neighbours. None: all.
      metric: "euclidean" or "cosine".
      block_size: items in a block; None chooses.

    Returns:
      [n, k] int32 row numbers, the item itself first and then the nearest first; and [n, k]
      distances in the type of `features`, for "cosine" 1 - the cosine. JAX for JAX, else NumPy.

    Raises:
      ValueError: see `smooth`; features that are traced by `jit` or `vmap`.
    """
    if any(is_traced(x) for x in (features, groups, pool)):
        raise InputError("neighbors: traced arguments, expected concrete arrays (outside of jit)")
    n = (*np.shape(features), 1)[0]
    inputs = validate_inputs(
        np.zeros(max(n, 1)),
        features,
        (k,),
        groups=groups,
        pool=pool,
        metric=metric,
        block_size=block_size,
    )
    n, (k,) = len(inputs.features), inputs.ks
    indices, distances = np.arange(n, dtype=np.int32)[:, None], np.zeros((n, 1))
    if k > 1:
        check_neighbor_memory(n, k)
        nearest, squared = _nearest(inputs, k - 1)
        indices = np.concatenate([indices, nearest], axis=1)
        others = squared / 2 if metric == "cosine" else np.sqrt(squared)
        distances = np.concatenate([distances, others], axis=1)
    distances = distances.astype(inputs.features.dtype)
    if isinstance(features, jax.Array):
        return jnp.asarray(indices), jnp.asarray(distances)
    return indices, distances


def _nearest(
    inputs: SmoothingInputs, count: int
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """Finds the numbers of the nearest candidates, and their squared distances in float64."""
    if routes.is_for_host(inputs):
        check_host_memory(inputs)
        return nearest_on_host(inputs, count)
    check_device_range(inputs)
    n, (features, groups, pool) = (
        len(inputs.features),
        map(to_host, (inputs.features, inputs.groups, inputs.pool)),
    )
    indices, squared = np.empty((n, count), np.int32), np.empty((n, count))
    items = Items(features, groups, pool, np.arange(n), inputs.metric)
    for block in neighbor_blocks(items, count):
        indices[block.rows] = block.neighbors
        squared[block.rows] = block.squared.astype(np.float64) * block.unit
    return indices, squared
