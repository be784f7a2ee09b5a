"""The engine on one device: group by group, block after block of queries, without sorting.

Groups and pools whose values are known are split on the host: the queries of a group are compared
with that group's candidates only, in arrays padded to few different sizes. Under `jit` and `vmap`
groups may be traced; then all queries are compared with all items under a mask.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine import halving, pruning
from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.gpu_blocks import runs_on_gpu, smooth_on_gpu
from jax_dns.smoothing.engine.neighbor_means import bounds, means
from jax_dns.smoothing.engine.pruning import ChunkedCandidates, QueryBlock
from jax_dns.smoothing.partition import (
    GroupBlock,
    bucket,
    number_groups,
    pad_rows,
    partition_by_group,
)
from jax_dns.smoothing.reference import to_metric_space
from jax_dns.smoothing.validation import SmoothingInputs, is_traced
from jax_dns.types import ArrayLike

# Beyond 32 MiB glibc maps each product's buffer anew: twice the time, half of it page faults.
CPU_ROWS, CPU_BLOCK = 128, 2**23 - 2**16
DEVICE_BLOCK = 2**30  # bytes; at most a 64th of the memory. Features are read once for each block.
ON_CHIP, MATRIX_UNIT = 2**24, 128  # values; rows


class Mask(NamedTuple):
    """Groups and pool that are traced."""

    groups: Int[Array, " n"]
    pool: Bool[Array, " n"]
    query_groups: Int[Array, " m"]


def smooth_by_selection(
    inputs: SmoothingInputs,
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    query_groups: Int[ArrayLike, " m"],
    *,
    exclude_self: bool,
    metric: str,
    block_size: int | None,
) -> Float[Array, "k m"]:
    """Smooths for all of `inputs.ks` without sorting (Eq. 7).

    Args:
      inputs: items and Ks.
      query_scores: [m].
      query_features: [m, d].
      query_groups: [m].
      exclude_self: whether query i is item i, which is then no candidate of its own.
      metric: "euclidean" or "cosine".
      block_size: queries in a block; None chooses.

    Returns:
      [len(ks), m].
    """
    n, m = len(inputs.scores), len(query_scores)
    groups, pool = inputs.groups, inputs.pool
    mask = None
    if any(is_traced(x) for x in (groups, pool, query_groups)):
        mask = Mask(jnp.asarray(groups), jnp.asarray(pool), jnp.asarray(query_groups))
        group, query_group, n_groups = np.zeros(n, np.int32), np.zeros(m, np.int32), 1
        pool = np.ones(n, bool)
    else:
        group, query_group, n_groups = number_groups(groups, query_groups)
    group_blocks = partition_by_group(
        group, np.asarray(pool), query_group, n_groups, exclude_self=exclude_self
    )
    features, query_features = _center(inputs.features, query_features, metric=metric)
    out = jnp.zeros((len(inputs.ks), m), query_scores.dtype)
    on_gpu = mask is None and runs_on_gpu(out, features, query_features, inputs.scores)
    for group_block in group_blocks:
        if on_gpu:
            smoothed = smooth_on_gpu(
                out,
                inputs.scores,
                features,
                query_scores,
                query_features,
                *group_block,
                ks=inputs.ks,
                block_size=block_size,
            )
            if smoothed is not None:
                out = smoothed
                continue
        size = len(group_block.rows), len(group_block.queries)
        padded = tuple(map(bucket, size)) if n_groups > 1 else size
        prune = block_size is None and mask is None and not is_traced(features)
        prune = prune and pruning.is_worth_pruning(*size, max(inputs.ks))
        if prune:
            group_block = _reorder_block(group_block, features, query_features, exclude_self)
            columns, block = pruning.chunked_columns(padded[0]), pruning.ROWS
        else:
            columns = padded_columns(padded[0])
            block = min(block_size or block_rows(columns), size[1])
        padded_queries = -(-padded[1] // block) * block
        out = _smooth_group(
            out,
            inputs.scores,
            features,
            query_scores,
            query_features,
            pad_rows(group_block.rows, columns),
            np.int32(size[0]),
            pad_rows(group_block.queries, padded_queries),
            np.int32(size[1]),
            pad_rows(group_block.self_index, padded_queries),
            mask,
            ks=inputs.ks,
            block=block,
            prune=prune,
        )
    return out


def block_rows(columns: int, *, kind: str | None = None, memory: int | None = None) -> int:
    """Chooses the queries in a block: 32 MB of distances on CPU, a sixteenth of a device's memory.

    On v5e and v6e it is 64 MB if that leaves rows enough for the matrix unit: as compiled for v5e,
    blocks of up to 100 MB never leave the chip. For v4 they do, and small blocks cost twice the
    bytes.

    Args:
      columns: candidates that the block is compared with.
      kind: `device_kind` of a device that isn't here; None: JAX's own.
      memory: bytes of that device.

    Returns:
      Rows.
    """
    kind = kind or jax.local_devices()[0].device_kind
    if kind == "cpu":
        return int(np.clip(CPU_BLOCK // columns // 8 * 8, 8, CPU_ROWS))
    if memory is None:
        memory = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", 2**33)
    values = min(DEVICE_BLOCK, memory // 64)
    if kind.startswith("TPU") and "lite" in kind and ON_CHIP // columns >= MATRIX_UNIT:
        values = ON_CHIP
    return int(np.clip(values // columns // 8 * 8, 8, 4096))


@functools.partial(jax.jit, static_argnames=("metric",))
def _center(
    features: Float[Array, "n d"], query_features: Float[Array, "m d"], *, metric: str
) -> tuple[Float[Array, "n d"], Float[Array, "m d"]]:
    features, query_features = (
        to_metric_space(features, metric),
        to_metric_space(query_features, metric),
    )
    mean = features.mean(0, keepdims=True)
    return features - mean, query_features - mean


@functools.partial(jax.jit, static_argnames=("ks", "block", "prune"))
def _smooth_group(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    rows: Int[Array, " r"],
    row_count: Int[Array, ""],
    queries: Int[Array, " q"],
    query_count: Int[Array, ""],
    self_index: Int[Array, " q"],
    mask: Mask | None,
    *,
    ks: tuple[int, ...],
    block: int,
    prune: bool,
) -> Float[Array, "k m"]:
    """Smooths the queries of one group and writes them into `out`."""
    m, r = out.shape[1], len(rows)
    scores, features = scores[rows], jax.lax.stop_gradient(features[rows])
    norms = jnp.sum(features**2, axis=1)
    longest = jnp.sqrt(jnp.max(norms))
    norms = jnp.where(jnp.arange(r) < row_count, norms, jnp.inf)

    def gather_queries(queries: Int[Array, "*q"], self_index: Int[Array, "*q"]) -> QueryBlock:
        q = jax.lax.stop_gradient(query_features[queries])
        return QueryBlock(query_scores[queries], q, self_index)

    def smooth_block(query: QueryBlock, query_groups: Array | None = None) -> Float[Array, "k b"]:
        # Without the query's own norm, which changes no order.
        products = jnp.matmul(query.features, features.T, precision=jax.lax.Precision.HIGHEST)
        distances = norms[None, :] - 2 * products
        is_self = query.self_index[:, None] == jnp.arange(r)[None, :]
        distances = jnp.where(is_self, jnp.inf, distances)
        total = row_count - (query.self_index >= 0).astype(jnp.int32)
        if mask is not None:
            same = query_groups[:, None] == mask.groups[rows][None, :]
            distances = jnp.where(same & mask.pool[rows][None, :], distances, jnp.inf)
            total = jnp.isfinite(distances).sum(1, dtype=jnp.int32)
        missing = padded_columns(r) - r  # where columns come in chunks
        distances = jnp.pad(distances, ((0, 0), (0, missing)), constant_values=jnp.inf)
        low, high = bounds(query.features, longest)
        return means(
            distances,
            jnp.pad(scores, (0, missing)),
            query.scores,
            low,
            high,
            total,
            ks=ks,
            halve=r * len(queries) >= halving.LEAST_PAIRS,
        )[0]

    def smooth_numbered(block: tuple[Array, Array]) -> Float[Array, "k b"]:
        query_groups = None if mask is None else mask.query_groups[block[0]]
        return smooth_block(gather_queries(*block), query_groups)

    blocks = queries.reshape(-1, block), self_index.reshape(-1, block)
    if prune:
        items = ChunkedCandidates(scores, features, norms, longest, row_count)
        parts = pruning.smooth_pruned_blocks(
            items, blocks, ks=ks, gather_queries=gather_queries, fallback=smooth_block
        )
    else:
        parts = jax.lax.map(smooth_numbered, blocks)
    smoothed = jnp.moveaxis(parts, 1, 0).reshape(len(ks), -1)
    column = jnp.where(jnp.arange(len(queries)) < query_count, queries, m)
    return out.at[:, column].set(smoothed, mode="drop", unique_indices=False)


def _reorder_block(
    group_block: GroupBlock,
    features: Float[Array, "n d"],
    query_features: Float[Array, "m d"],
    exclude_self: bool,
) -> GroupBlock:
    """Puts similar items next to each other, and similar queries."""
    rows, queries = pruning.sort_by_centroid(
        features, query_features, group_block.rows, group_block.queries
    )
    position = np.full(len(features), -1, np.int32)
    position[rows] = np.arange(len(rows))
    self_index = position[queries] if exclude_self else np.full_like(queries, -1)
    return GroupBlock(rows, queries, self_index)
