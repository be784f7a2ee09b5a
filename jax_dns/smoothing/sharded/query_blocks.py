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
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.grouped import block_rows
from jax_dns.smoothing.engine.kth_threshold import Bracket, select
from jax_dns.smoothing.engine.neighbor_means import bounds, selection_weights
from jax_dns.smoothing.partition import bucket, number_groups
from jax_dns.smoothing.reference import to_metric_space
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


def smooth_sharded(
    inputs: SmoothingInputs,
    query_scores: Float[Array, " m"],
    query_features: Float[ArrayLike, "m d"],
    query_groups: Int[ArrayLike, " m"],
    *,
    exclude_self: bool,
    metric: str,
    block_size: int | None,
) -> Float[Array, "k m"]:
    """Smooths for all of `inputs.ks` on the devices that hold `inputs.features` (Eq. 7).

    Args:
      inputs: items and Ks; groups and pool are concrete.
      query_scores: [m].
      query_features: [m, d].
      query_groups: [m].
      exclude_self: whether query i is item i, which is then no candidate of its own.
      metric: "euclidean" or "cosine".
      block_size: queries in a block, rounded up to a multiple of the devices; None chooses.

    Returns:
      [len(ks), m], columns sharded if m is a multiple of the devices.
    """
    ks, n, m = inputs.ks, len(inputs.scores), len(query_scores)
    if max(ks) == 1:
        return jnp.broadcast_to(query_scores, (len(ks), m))
    mesh = arrays.row_mesh(inputs.features)
    p, rows, query_rows = mesh.size, -(-n // mesh.size), -(-m // mesh.size)
    groups, pool, query_groups = map(arrays.to_host, (inputs.groups, inputs.pool, query_groups))
    group, query_group, n_groups = number_groups(groups, query_groups)
    plan = plan_reshard(2 * group + pool, p, rows)

    def scatter_rows(x: ArrayLike, plan: ReshardPlan, rows: int) -> Array:
        return reshard.scatter_rows(arrays.place(x, mesh, rows), plan, mesh)

    features = arrays.place(inputs.features, mesh, rows)
    mean = _mean(features, n, metric=metric)
    features = reshard.scatter_rows(features, plan, mesh)
    scores = scatter_rows(inputs.scores, plan, rows)
    if exclude_self:
        query_plan, query_arrays = plan, (None, None)
    else:
        query_plan = plan_reshard(query_group, p, query_rows)
        query_arrays = tuple(
            scatter_rows(x, query_plan, query_rows) for x in (query_scores, query_features)
        )
    out = jnp.zeros((len(ks), query_plan.held.size), scores.dtype)
    out = jax.device_put(out, jax.NamedSharding(mesh, P(None, ROWS)))
    for group_block in partition_held_rows(
        group, pool, plan, query_group, query_plan, n_groups, exclude_self=exclude_self
    ):
        columns, queries = group_block.rows.shape[1], group_block.queries.shape[1]
        if n_groups > 1:
            columns, queries = bucket(columns), bucket(queries)
        columns = padded_columns(columns)
        block = min(-(-(block_size or block_rows(columns)) // p), queries)
        queries = -(-queries // block) * block
        tables = group_block._replace(
            rows=widen(group_block.rows, columns),
            queries=widen(group_block.queries, queries),
            self_index=widen(group_block.self_index, queries, -1),
        )
        tables = ShardedGroupBlock(*(arrays.shard_rows(x, mesh) for x in tables))
        out = smooth_group_on_devices(
            out,
            scores,
            features,
            *query_arrays,
            mean,
            tables,
            mesh=mesh,
            ks=ks,
            metric=metric,
            block=block,
        )
    out = reshard.gather_rows(out, query_plan, mesh, query_rows)
    return out if out.shape[1] == m else out[:, :m]


@functools.partial(jax.jit, static_argnames=("metric",))
def _mean(features: Float[Array, "n d"], count: Int[Array, ""], *, metric: str) -> Array:
    """Averages the first `count` rows, as a row."""
    valid = (jnp.arange(len(features)) < count)[:, None]
    mapped = to_metric_space(features, metric)
    return jnp.sum(jnp.where(valid, mapped, 0), axis=0, keepdims=True) / count


@functools.partial(jax.jit, static_argnames=("mesh", "ks", "metric", "block"))
def smooth_group_on_devices(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"] | None,
    query_features: Float[Array, "m d"] | None,
    mean: Float[Array, "1 d"],
    tables: ShardedGroupBlock,
    *,
    mesh: Mesh,
    ks: tuple[int, ...],
    metric: str,
    block: int,
) -> Float[Array, "k m"]:
    """Smooths the queries of one group, `block` from each device at once, into `out`.

    Where the query arrays are None, the queries are the items.
    """
    body = functools.partial(_smooth_on_device, ks=ks, metric=metric, block=block)
    columns = P(None, ROWS)
    specs = (columns, P(ROWS), P(ROWS), P(ROWS), P(ROWS), P(), P(ROWS))
    # Unchecked: thresholds are equal on all devices since counts are, which types can't tell.
    return jax.shard_map(body, mesh=mesh, in_specs=specs, out_specs=columns, check_vma=False)(
        out, scores, features, query_scores, query_features, mean, tables
    )


def _smooth_on_device(
    out, scores, features, query_scores, query_features, mean, tables, *, ks, metric, block
):
    """Runs on each device: its candidates against block after block of all devices' queries."""
    rows, row_count, queries, query_count, self_index = (x[0] for x in tables)
    if query_features is None:
        query_scores, query_features = scores, features
    valid = jnp.arange(len(rows)) < row_count
    x = _center_rows(features, rows, valid, mean, metric)
    norms = jnp.sum(x**2, axis=1)
    longest = jax.lax.pmax(jnp.sqrt(jnp.max(norms)), ROWS)
    items = LocalCandidates(
        x,
        jnp.where(valid, norms, jnp.inf),
        scores[rows],
        longest,
        jax.lax.psum(row_count, ROWS),
    )

    def one_block(inputs: tuple[Array, Array, Array]) -> Float[Array, "k b"]:
        queries, self_index, valid = inputs
        q = _center_rows(query_features, queries, valid, mean, metric)
        return smooth_block(items, query_scores[queries], q, self_index, ks=ks)

    valid_query = jnp.arange(len(queries)) < query_count
    blocks = tuple(x.reshape(-1, block) for x in (queries, self_index, valid_query))
    smoothed = jnp.moveaxis(jax.lax.map(one_block, blocks), 1, 0).reshape(len(ks), -1)
    column = jnp.where(valid_query, queries, out.shape[1])
    return out.at[:, column].set(smoothed, mode="drop")


def smooth_block(
    items: LocalCandidates,
    query_scores: Float[Array, " b"],
    query_features: Float[Array, "b d"],
    self_index: Int[Array, " b"],
    *,
    ks: tuple[int, ...],
) -> Float[Array, "k b"]:
    """Smooths the same number of queries from every device; runs under `shard_map` over ROWS.

    Args:
      items: this device's.
      query_scores: [b] of this device's queries.
      query_features: [b, d] centred.
      self_index: [b] position of the query itself among this device's items; -1: none.
      ks: the Ks.

    Returns:
      [len(ks), b] for this device's queries.
    """
    q = jax.lax.all_gather(query_features, ROWS, tiled=True)
    all_self_index = jax.lax.all_gather(self_index, ROWS, tiled=True)
    # Without the query's own norm, which changes no order.
    products = jnp.matmul(q, items.features.T, precision=jax.lax.Precision.HIGHEST)
    on_this_device = jnp.arange(len(q)) // len(self_index) == jax.lax.axis_index(ROWS)
    column = jnp.where(on_this_device, all_self_index, -1)
    is_self = column[:, None] == jnp.arange(len(items.norms))[None, :]
    distances = jnp.where(is_self, jnp.inf, items.norms[None, :] - 2 * products)
    low, high = bounds(q, items.longest)
    total = items.total - (all_self_index >= 0).astype(jnp.int32)

    ranks = jnp.asarray(ks, jnp.int32) - 1
    brackets = select(distances, ranks, low, high, total, axis=ROWS)

    def one_k(inputs: tuple[Array, Bracket]) -> Float[Array, " b"]:
        rank, bracket = inputs
        weights = selection_weights(distances, rank, bracket)
        sums = jnp.matmul(weights, items.scores, precision=jax.lax.Precision.HIGHEST)
        return (query_scores + jax.lax.psum_scatter(sums, ROWS, tiled=True)) / (rank + 1)

    return jax.lax.map(one_k, (ranks, brackets))


def _center_rows(
    features: Float[Array, "n d"],
    rows: Int[Array, " r"],
    valid: Bool[Array, " r"],
    mean: Float[Array, "1 d"],
    metric: str,
) -> Float[Array, "r d"]:
    """Gathers rows by number, centred in the metric's space; zeros where not valid."""
    x = jax.lax.stop_gradient(features[rows])
    return jnp.where(valid[:, None], to_metric_space(x, metric) - mean, 0)
