"""Who is near whom: distances between a block of queries and all items, and who may be near.

Distances are squared Euclidean through ||q||^2 + ||x||^2 - 2 q.x in float32, after the features'
mean is subtracted, which is what keeps the difference of large numbers small.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

METRICS = ("euclidean", "cosine")


class Candidates(NamedTuple):
    """Items that may be neighbours."""

    features: Float[Array, "n d"]
    norms: Float[Array, " n"]  # squared
    groups: Int[Array, " n"]
    pool: Bool[Array, " n"]
    unit: Int[Array, " n"]  # what an item is: its number, or its clip's


class Queries(NamedTuple):
    """Items whose neighbours are sought; `own` is what they are among the items' units, or -1."""

    features: Float[Array, "m d"]
    groups: Int[Array, " m"]
    own: Int[Array, " m"]


def to_metric_space(features: Float[Array, "n d"], metric: str) -> Float[Array, "n d"]:
    """Maps features to where Euclidean distance orders neighbours as `metric` does."""
    if metric == "cosine":
        return features / jnp.linalg.norm(features, axis=-1, keepdims=True)
    return features


def make_candidates(
    features: Float[Array, "n d"],
    groups: Int[Array, " n"],
    pool: Bool[Array, " n"],
    unit: Int[Array, " n"] | None = None,
) -> Candidates:
    """Items with their norms, computed once for all blocks; each a unit of its own by default."""
    unit = jnp.arange(len(pool)) if unit is None else unit
    return Candidates(features, jnp.sum(features**2, axis=-1), groups, pool, unit)


def block_distances(queries: Queries, items: Candidates) -> Float[Array, "m n"]:
    """Squared distances, infinite where an item is no candidate.

    Item j is a candidate of query i where j is in the pool, of the same group, and of another unit:
    not i itself (by number: an equal feature doesn't make an item itself), or not of i's clip.
    """
    norms = jnp.sum(queries.features**2, axis=-1)
    # Highest precision: the default on GPU and TPU rounds the products' factors to 10 or 8 bits.
    products = jnp.matmul(queries.features, items.features.T, precision=jax.lax.Precision.HIGHEST)
    distances = jnp.maximum(norms[:, None] + items.norms[None, :] - 2 * products, 0)
    candidate = (
        items.pool[None, :]
        & (queries.groups[:, None] == items.groups[None, :])
        & (queries.own[:, None] != items.unit[None, :])
    )
    return jnp.where(candidate, distances, jnp.inf)


def nearest(queries: Queries, items: Candidates, count: int) -> Int[Array, "m count"]:
    """Numbers of each query's `count` nearest candidates, nearest first."""
    return jax.lax.top_k(-block_distances(queries, items), count)[1]
