"""Smoothing with features on several devices: items stay, blocks of queries go round.

The engine finds a row's threshold by counting (see `kth_threshold`), and counts add up. So each of
p devices keeps its n / p items, all of them compare the same block of queries with their items, and
only counts are summed: the thresholds are those of one device, and neither distances nor candidates
travel. With q passes (about ten; a pass of four counts is 16 bytes a row), a device holds and
receives, in values of 4 bytes:

                                  holds                          receives
    this                          n d / p + b n / p              n d + 4 q n
    all features on each device   n d     + b n / p              n d
    a ring, the K nearest kept    n d / p + b n / p + 2 K n / p  n d

The first falls as 1 / p for any K: at n = 1e7, d = 128, K = 1,024 and p = 16 it holds 0.3 GB of
features, while all of them are 5 GB and the ring's K nearest another 5 GB; the ring must also merge
p sorted lists a row. The price is q small sums a block, some 10 us each. All three do
2 n^2 d / p arithmetic operations on each device.

On TPUs with a large memory on the chip (v5e, v6e) a device counts only among the distances that its
kernel keeps (see `tpu_bins`); thresholds are those of all devices there, too.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from jax_dns.smoothing.engine.counting import pad_columns, padded_columns
from jax_dns.smoothing.engine.grouped import block_rows
from jax_dns.smoothing.engine.kth_threshold import Bracket, select
from jax_dns.smoothing.engine.neighbor_means import bounds, selection_weights
from jax_dns.smoothing.engine.tpu_bins import BinPlan, Items, has_kernel, plan_columns, sums_of_bins
from jax_dns.smoothing.feature_space import fit_frame, to_frame, to_metric_space
from jax_dns.smoothing.partition import bucket, number_groups
from jax_dns.smoothing.sharded import arrays, reshard
from jax_dns.smoothing.sharded.arrays import ROWS
from jax_dns.smoothing.sharded.reshard import (
    ReshardPlan,
    ShardedGroupBlock,
    partition_held_rows,
    plan_reshard,
    widen,
)
from jax_dns.smoothing.validation import SmoothingInputs
from jax_dns.types import ArrayLike


class LocalCandidates(NamedTuple):
    """A device's own candidates of a group, and two facts about all of them."""

    features: Float[Array, "r d"]
    norms: Float[Array, " r"]  # squared; infinite where there is no candidate
    scores: Float[Array, " r"]
    longest: Float[Array, ""]  # the largest norm over all devices
    total: Int[Array, ""]  # candidates on all devices


def smooth_sharded(inputs: SmoothingInputs) -> Float[Array, "k m"]:
    """Smooths for all of `inputs.ks` on the devices that hold `inputs.features` (Eq. 7).

    Args:
      inputs: concrete arrays; every K above 1; a `block_size` is rounded up to a multiple of the
        devices.

    Returns:
      [len(ks), m], columns sharded if m is a multiple of the devices.
    """
    real = jax.dtypes.canonicalize_dtype(np.float64)
    ks, n, m = inputs.ks, len(inputs.scores), len(inputs.query_scores)
    mesh = arrays.row_mesh(inputs.features)
    p, rows, query_rows = mesh.size, -(-n // mesh.size), -(-m // mesh.size)
    labels = inputs.groups, inputs.pool, inputs.query_groups
    groups, pool, query_groups = map(arrays.to_host, labels)
    group, query_group, n_groups = number_groups(groups, query_groups)
    kind = mesh.devices.flat[0].device_kind
    binned = has_kernel(kind) and not inputs.is_traced()  # the kernel has no gradient
    # Items in the order of their sections would have all nearest of a query on one device.
    plan = plan_reshard(2 * group + pool, p, rows, deal=binned and p > 1)

    def scatter_rows(x: ArrayLike, plan: ReshardPlan, rows: int) -> Array:
        x = x.astype(real) if isinstance(x, jax.Array) else np.asarray(x, real)
        return reshard.scatter_rows(arrays.place(x, mesh, rows), plan, mesh)

    items = tuple(scatter_rows(x, plan, rows) for x in (inputs.scores, inputs.features))
    if inputs.exclude_self:
        query_plan, queries = plan, (None, None)
    else:
        query_plan = plan_reshard(query_group, p, query_rows)
        queries = tuple(
            scatter_rows(x, query_plan, query_rows)
            for x in (inputs.query_scores, inputs.query_features)
        )
    out = jnp.zeros((len(ks), query_plan.held.size), real)
    out = jax.device_put(out, jax.NamedSharding(mesh, P(None, ROWS)))
    for block in partition_held_rows(
        group, pool, plan, query_group, query_plan, n_groups, exclude_self=inputs.exclude_self
    ):
        parts = 4 if n_groups > 1 else 64  # sizes an octave
        columns = padded_columns(bucket(block.rows.shape[1], parts))
        bin_plan = None
        if binned:
            columns, bin_plan = plan_columns(columns, max(ks), real, devices=p, kind=kind)
        queries_each = bucket(block.queries.shape[1], parts)
        block_queries = inputs.block_size or block_rows(columns, plan=bin_plan)
        block_queries = min(-(-block_queries // p), queries_each)
        queries_each = -(-queries_each // block_queries) * block_queries
        padded = block._replace(
            rows=widen(block.rows, columns),
            queries=widen(block.queries, queries_each),
            self_index=widen(block.self_index, queries_each, -1),
        )
        out = smooth_group_on_devices(
            out,
            *items,
            *queries,
            ShardedGroupBlock(*(arrays.shard_rows(x, mesh) for x in padded)),
            np.asarray(ks, np.int32) - 1,
            mesh=mesh,
            metric=inputs.metric,
            block=block_queries,
            plan=bin_plan,
        )
    out = reshard.gather_rows(out, query_plan, mesh, query_rows)
    return out if out.shape[1] == m else out[:, :m]


@functools.partial(jax.jit, static_argnames=("mesh", "metric", "block", "plan"))
def smooth_group_on_devices(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"] | None,
    query_features: Float[Array, "m d"] | None,
    group: ShardedGroupBlock,
    ranks: Int[Array, " k"],
    *,
    mesh: Mesh,
    metric: str,
    block: int,
    plan: BinPlan | None = None,
) -> Float[Array, "k m"]:
    """Smooths the queries of one group, `block` from each device at once, into `out`.

    Where the query arrays are None, the queries are the items. `plan` is of `plan_bins`.
    """
    body = functools.partial(_smooth_on_device, metric=metric, block=block, plan=plan)
    columns = P(None, ROWS)
    specs = (columns, P(ROWS), P(ROWS), P(ROWS), P(ROWS), P(ROWS), P())
    # Unchecked: thresholds are equal on all devices since counts are, which types can't tell.
    return jax.shard_map(body, mesh=mesh, in_specs=specs, out_specs=columns, check_vma=False)(
        out, scores, features, query_scores, query_features, group, ranks
    )


def _smooth_on_device(
    out, scores, features, query_scores, query_features, group, ranks, *, metric, block, plan
):
    """Runs on each device: its candidates against block after block of all devices' queries."""
    rows, row_count, queries, query_count, self_index = (x[0] for x in group)
    if query_features is None:
        query_scores, query_features = scores, features
    valid = jnp.arange(len(rows)) < row_count

    def gather(features: Float[Array, "n d"], rows: Int[Array, " r"]) -> Float[Array, "r d"]:
        return to_metric_space(jax.lax.stop_gradient(features[rows]), metric)

    x = jnp.where(valid[:, None], gather(features, rows), 0)
    frame = fit_frame(x, valid, axis=ROWS)
    x = to_frame(x, frame)
    norms = jnp.sum(x**2, axis=1)
    longest = jax.lax.pmax(jnp.sqrt(jnp.max(jnp.where(valid, norms, 0))), ROWS)
    items = LocalCandidates(
        x,
        jnp.where(valid, norms, jnp.inf),
        scores[rows],
        longest,
        jax.lax.psum(row_count, ROWS),
    )

    def one_block(inputs: tuple[Array, Array, Array]) -> Float[Array, "k b"]:
        queries, self_index, valid = inputs
        # Rows of zeros, which padding may be, have no direction.
        q = jnp.where(valid[:, None], gather(query_features, queries), 0)
        q = to_frame(q, frame)
        return smooth_block(items, query_scores[queries], q, self_index, ranks, plan=plan)

    valid_query = jnp.arange(len(queries)) < query_count
    blocks = tuple(x.reshape(-1, block) for x in (queries, self_index, valid_query))
    smoothed = jnp.moveaxis(jax.lax.map(one_block, blocks), 1, 0).reshape(len(ranks), -1)
    column = jnp.where(valid_query, queries, out.shape[1])
    return out.at[:, column].set(smoothed, mode="drop")


def smooth_block(
    items: LocalCandidates,
    query_scores: Float[Array, " b"],
    query_features: Float[Array, "b d"],
    self_index: Int[Array, " b"],
    ranks: Int[Array, " k"],
    *,
    plan: BinPlan | None = None,
) -> Float[Array, "k b"]:
    """Smooths the same number of queries from every device; runs under `shard_map` over ROWS.

    Args:
      items: this device's.
      query_scores: [b] of this device's queries.
      query_features: [b, d] in the group's frame.
      self_index: [b] position of the query itself among this device's items; -1: none.
      ranks: [k] K - 1.
      plan: of a TPU's kernel; None: all distances are written.

    Returns:
      [k, b] for this device's queries.
    """
    q = jax.lax.all_gather(query_features, ROWS, tiled=True)
    all_self_index = jax.lax.all_gather(self_index, ROWS, tiled=True)
    on_this_device = jnp.arange(len(q)) // len(self_index) == jax.lax.axis_index(ROWS)
    column = jnp.where(on_this_device, all_self_index, -1)
    low, high = bounds(q, items.longest)
    total = items.total - (all_self_index >= 0).astype(jnp.int32)

    def sum_plainly(rows: Int[Array, " r"] | slice) -> Float[Array, "k r"]:
        # Without the query's own norm, which changes no order.
        products = jnp.matmul(q[rows], items.features.T, precision=jax.lax.Precision.HIGHEST)
        is_self = column[rows][:, None] == jnp.arange(len(items.norms))[None, :]
        distances = jnp.where(is_self, jnp.inf, items.norms[None, :] - 2 * products)
        distances, scores = pad_columns(distances, items.scores)
        brackets = select(distances, ranks, low[rows], high[rows], total[rows], axis=ROWS)

        def one_k(inputs: tuple[Array, Bracket]) -> Float[Array, " r"]:
            weights = selection_weights(distances, *inputs)
            return jnp.matmul(weights, scores, precision=jax.lax.Precision.HIGHEST)

        return jax.lax.map(one_k, (ranks, brackets))

    if plan is None:
        sums = sum_plainly(slice(None))
    else:
        candidates = Items(items.features, items.norms, items.scores)
        limits = low, high
        sums = sums_of_bins(q, candidates, column, ranks, limits, sum_plainly, plan=plan, axis=ROWS)
    sums = jax.lax.psum_scatter(sums, ROWS, scatter_dimension=1, tiled=True)
    return (query_scores[None, :] + sums) / (ranks[:, None] + 1)
