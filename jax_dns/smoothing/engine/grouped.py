"""The engine on one device: group by group, block after block of queries, without sorting.

Groups and pools whose values are known are split on the host: the queries of a group are compared
with that group's candidates only, in arrays padded to few different sizes. Under `jit` and `vmap`
groups may be traced; then all queries are compared with all items under a mask. Sizes and Ks are
padded or traced, so that calls of similar size share compiled programs.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine.counting import pad_columns, padded_columns
from jax_dns.smoothing.engine.gpu_blocks import runs_on_gpu, smooth_on_gpu
from jax_dns.smoothing.engine.neighbor_means import SMALL_K, bounds, sum_nearest
from jax_dns.smoothing.engine.tpu_bins import BinPlan, Items, plan_columns, sums_of_bins
from jax_dns.smoothing.feature_space import fit_frame, to_frame, to_group_frames, to_metric_space
from jax_dns.smoothing.partition import bucket, number_groups, pad_rows, partition_by_group
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


class PaddedGroup(NamedTuple):
    """A group's candidates and queries, padded (see `partition.GroupBlock`)."""

    rows: Int[Array, " r"]
    row_count: Int[Array, ""]  # before the padding
    queries: Int[Array, " q"]
    query_count: Int[Array, ""]
    self_index: Int[Array, " q"]


def smooth_by_selection(inputs: SmoothingInputs) -> Float[ArrayLike, "k m"]:
    """Smooths for all of `inputs.ks` without sorting (Eq. 7).

    Args:
      inputs: arrays of one device, concrete or traced; every K above 1.

    Returns:
      [len(ks), m].
    """
    real = jax.dtypes.canonicalize_dtype(np.float64)
    n, m = len(inputs.scores), len(inputs.query_scores)
    groups, pool, query_groups = inputs.groups, inputs.pool, inputs.query_groups
    mask = None
    if any(is_traced(x) for x in (groups, pool, query_groups)):
        mask = Mask(*(jnp.asarray(x) for x in (groups, pool, query_groups)))
        group, query_group, n_groups = np.zeros(n, np.int32), np.zeros(m, np.int32), 1
        pool = np.ones(n, bool)
    else:
        group, query_group, n_groups = number_groups(groups, query_groups)
    frames = mask or Mask(*(jnp.asarray(x) for x in (group, pool, query_group)))
    # Padded, so that histories of similar size share the long program; this one is short.
    sizes = (n, m) if inputs.is_traced() else (bucket(n, 16), bucket(m, 16))
    arrays = tuple(
        jnp.asarray(x, real)
        for x in (inputs.scores, inputs.features, inputs.query_scores, inputs.query_features)
    )
    arrays = _prepare(
        *arrays,
        frames,
        metric=inputs.metric,
        one_group=mask is None and n_groups == 1,
        sizes=sizes,
    )
    out = jnp.zeros((len(inputs.ks), sizes[1]), real)
    groups = partition_by_group(
        group, np.asarray(pool), query_group, n_groups, exclude_self=inputs.exclude_self
    )
    if mask is None and runs_on_gpu(out, *arrays):
        options = dict(ks=inputs.ks, block_size=inputs.block_size)
        out, groups = smooth_on_gpu(out, *arrays, groups, **options)
    for rows, queries, self_index in groups:
        parts = 4 if n_groups > 1 else 64  # sizes an octave
        columns, plan = padded_columns(bucket(len(rows), parts)), None
        if mask is None and not inputs.is_traced():
            (device,) = arrays[1].devices()
            columns, plan = plan_columns(columns, max(inputs.ks), real, kind=device.device_kind)
        block = min(inputs.block_size or block_rows(columns, plan=plan), len(queries))
        padded_queries = -(-bucket(len(queries), parts) // block) * block
        padded = PaddedGroup(
            pad_rows(rows, columns),
            np.int32(len(rows)),
            pad_rows(queries, padded_queries),
            np.int32(len(queries)),
            pad_rows(self_index, padded_queries),
        )
        out = smooth_group(
            out,
            *arrays,
            padded,
            mask,
            np.asarray(inputs.ks, np.int32) - 1,
            block=block,
            from_minimum=min(inputs.ks) <= SMALL_K,
            plan=plan,
        )
    return out if sizes[1] == m else np.asarray(out)[:, :m]


def block_rows(
    columns: int,
    *,
    kind: str | None = None,
    memory: int | None = None,
    plan: BinPlan | None = None,
) -> int:
    """Chooses the queries in a block: 32 MB of distances on CPU, a sixteenth of a device's memory.

    On v5e and v6e it is 64 MB if that leaves rows enough for the matrix unit: as compiled for v5e,
    blocks of up to 100 MB never leave the chip. For v4 they do, and small blocks cost twice the
    bytes.

    Args:
      columns: candidates that the block is compared with.
      kind: `device_kind` of a device that isn't here; None: JAX's own.
      memory: bytes of that device.
      plan: of a TPU's kernel, which keeps only some distances of a row.

    Returns:
      Rows.
    """
    kind = kind or jax.local_devices()[0].device_kind
    if kind == "cpu":
        return int(np.clip(CPU_BLOCK // columns // 8 * 8, 8, CPU_ROWS))
    if memory is None:
        memory = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", 2**33)
    values = min(DEVICE_BLOCK, memory // 64)
    if plan is not None:
        return int(np.clip(values // plan.kept // plan.rows * plan.rows, plan.rows, 4096))
    if kind.startswith("TPU") and "lite" in kind and ON_CHIP // columns >= MATRIX_UNIT:
        values = ON_CHIP
    return int(np.clip(values // columns // 8 * 8, 8, 4096))


@functools.partial(jax.jit, static_argnames=("metric", "one_group", "sizes"))
def _prepare(
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    groups: Mask,
    *,
    metric: str,
    one_group: bool,
    sizes: tuple[int, int],
) -> tuple[Array, ...]:
    """Maps items and queries to the frames of their groups, and pads both to given sizes."""
    features, query_features = (
        to_metric_space(jax.lax.stop_gradient(x), metric) for x in (features, query_features)
    )
    if one_group:
        frame = fit_frame(features, groups.pool & (groups.groups == 0))
        features, query_features = to_frame(features, frame), to_frame(query_features, frame)
    else:
        features, query_features = to_group_frames(
            features, groups.groups, groups.pool, query_features, groups.query_groups
        )
    arrays = (scores, sizes[0]), (features, sizes[0]), (query_scores, sizes[1])
    arrays += ((query_features, sizes[1]),)
    return tuple(jnp.pad(x, [(0, size - len(x))] + [(0, 0)] * (x.ndim - 1)) for x, size in arrays)


@functools.partial(jax.jit, static_argnames=("block", "from_minimum", "plan"))
def smooth_group(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    group: PaddedGroup,
    mask: Mask | None,
    ranks: Int[Array, " k"],
    *,
    block: int,
    from_minimum: bool,
    plan: BinPlan | None = None,
) -> Float[Array, "k m"]:
    """Smooths the queries of one group and writes them into `out`.

    Args:
      out: [k, m].
      scores: [n] of the items, padded as all arrays may be.
      features: [n, d] in their groups' frames, as the queries'.
      query_scores: [m].
      query_features: [m, d].
      group: candidates and queries.
      mask: traced groups and pool; None: all of `group` are candidates.
      ranks: [k] K - 1.
      block: queries in a block.
      from_minimum: see `sum_nearest`.
      plan: of a TPU's kernel; None: all distances are written.

    Returns:
      [k, m].
    """
    m, r = out.shape[1], len(group.rows)
    scores, features = scores[group.rows], features[group.rows]
    norms = jnp.sum(features**2, axis=1)
    longest = jnp.sqrt(jnp.max(norms))
    norms = jnp.where(jnp.arange(r) < group.row_count, norms, jnp.inf)

    def smooth_block(inputs: tuple[Array, Array]) -> Float[Array, "k b"]:
        queries, self_index = inputs
        low, high = bounds(query_features[queries], longest)

        def sum_plainly(at: Int[Array, " r"] | slice) -> Float[Array, "k r"]:
            q = query_features[queries[at]]
            # Without the query's own norm, which changes no order.
            products = jnp.matmul(q, features.T, precision=jax.lax.Precision.HIGHEST)
            distances = norms[None, :] - 2 * products
            is_self = self_index[at][:, None] == jnp.arange(r)[None, :]
            distances = jnp.where(is_self, jnp.inf, distances)
            total = group.row_count - (self_index[at] >= 0).astype(jnp.int32)
            if mask is not None:
                same = mask.query_groups[queries[at]][:, None] == mask.groups[group.rows][None, :]
                distances = jnp.where(same & mask.pool[group.rows][None, :], distances, jnp.inf)
                total = jnp.isfinite(distances).sum(1, dtype=jnp.int32)
            return sum_nearest(
                *pad_columns(distances, scores),
                low[at],
                high[at],
                total,
                ranks,
                from_minimum=from_minimum,
            )

        if plan is None:
            of_nearest = sum_plainly(slice(None))
        else:
            of_nearest = sums_of_bins(
                query_features[queries],
                Items(features, norms, scores),
                self_index,
                ranks,
                (low, high),
                sum_plainly,
                plan=plan,
            )
        return (query_scores[queries][None, :] + of_nearest) / (ranks[:, None] + 1)

    blocks = group.queries.reshape(-1, block), group.self_index.reshape(-1, block)
    smoothed = jnp.moveaxis(jax.lax.map(smooth_block, blocks), 1, 0).reshape(len(ranks), -1)
    valid = jnp.arange(len(group.queries)) < group.query_count
    column = jnp.where(valid, group.queries, m)
    return out.at[:, column].set(smoothed, mode="drop")
