"""Smoothing where features lie on several devices: items stay, blocks of queries go round.

The threshold of a row is found by counting (see `selection`), and counts add up. So each of p
devices keeps its n / p items, all of them meet the same block of queries, and only counts are
summed: the thresholds are those of one device, and neither distances nor candidates travel.
With q passes (about ten; a pass of four counts is 16 bytes a row), what a device holds and what
it receives, in values of 4 bytes:

                                  holds                          receives
    this                          n d / p + b n / p              n d + 4 q n
    all features on each device   n d     + b n / p              n d
    a ring, the K nearest kept    n d / p + b n / p + 2 K n / p  n d

The first falls as 1 / p whatever K is: at n = 1e7, d = 128, K = 1,024 and p = 16 it holds 0.3 GB
of features, where all of them are 5 GB and the ring's K nearest another 5 GB; the ring must also
merge p sorted lists a row. What is paid is q small sums a block, some 10 us each. The arithmetic of
all three is 2 n^2 d / p on each device.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int

from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.grouped import block_rows, bucket
from jax_dns.smoothing.engine.kth_threshold import Bracket, select
from jax_dns.smoothing.engine.neighbor_means import bounds, selection_weights
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
    """What a device knows of a meeting's items as blocks go by: its own, and two numbers of all."""

    features: Float[Array, "r d"]
    norms: Float[Array, " r"]  # infinite where there is none
    scores: Float[Array, " r"]
    longest: Float[Array, ""]  # of all items' lengths
    total: Int[Array, ""]  # of all items


def smooth_sharded(
    problem: SmoothingInputs,
    query_scores: Float[Array, " m"],
    query_features: Float[ArrayLike, "m d"],
    query_groups: Int[ArrayLike, " m"],
    *,
    own: bool,
    metric: str,
    block_size: int | None,
) -> Float[Array, "k m"]:
    """Eq. 7 for all of `problem.ks` over the devices that `problem.features` lies on.

    Args:
      problem: items and Ks; groups and pool whose values are known.
      query_scores: [m].
      query_features: [m, d].
      query_groups: [m].
      own: whether query i is item i, which is then no candidate of its own.
      metric: "euclidean" or "cosine".
      block_size: queries in a block, a multiple of the devices is taken; None chooses.

    Returns:
      [len(ks), m], columns sharded where m is a multiple of the devices.
    """
    ks, n, m = problem.ks, len(problem.scores), len(query_scores)
    if max(ks) == 1:
        return jnp.broadcast_to(query_scores, (len(ks), m))
    mesh = arrays.row_mesh(problem.features)
    p, rows, query_rows = mesh.size, -(-n // mesh.size), -(-m // mesh.size)
    groups, pool, query_groups = map(arrays.to_host, (problem.groups, problem.pool, query_groups))
    values, query_group = np.unique(query_groups, return_inverse=True)
    group = np.minimum(np.searchsorted(values, groups), len(values) - 1)
    pool = pool & (values[group] == groups)
    plan = plan_reshard(2 * group + pool, p, rows)

    def scatter_rows(x: ArrayLike, plan: ReshardPlan, rows: int) -> Array:
        return reshard.scatter_rows(arrays.place(x, mesh, rows), plan, mesh)

    features = arrays.place(problem.features, mesh, rows)
    mean = _mean(features, n, metric=metric)
    features = reshard.scatter_rows(features, plan, mesh)
    scores = scatter_rows(problem.scores, plan, rows)
    if own:
        query_plan, asked = plan, (None, None)
    else:
        query_plan = plan_reshard(query_group, p, query_rows)
        asked = tuple(
            scatter_rows(x, query_plan, query_rows) for x in (query_scores, query_features)
        )
    out = jnp.zeros((len(ks), query_plan.held.size), scores.dtype)
    out = jax.device_put(out, jax.NamedSharding(mesh, P(None, ROWS)))
    for meetings in partition_held_rows(
        group, pool, plan, query_group, query_plan, len(values), own
    ):
        columns, wanted = meetings.rows.shape[1], meetings.queries.shape[1]
        if len(values) > 1:
            columns, wanted = bucket(columns), bucket(wanted)
        columns = padded_columns(columns)
        block = min(-(-(block_size or block_rows(columns)) // p), wanted)
        widths = columns, -(-wanted // block) * block
        tables = ShardedGroupBlock(
            widen(meetings.rows, widths[0]),
            meetings.row_count,
            widen(meetings.queries, widths[1]),
            meetings.query_count,
            widen(meetings.own, widths[1], -1),
        )
        tables = ShardedGroupBlock(*(arrays.shard_rows(x, mesh) for x in tables))
        out = smooth_group_on_devices(
            out,
            scores,
            features,
            *asked,
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
    """Of the first `count` rows, as a row."""
    there = (jnp.arange(len(features)) < count)[:, None]
    embedded = to_metric_space(features, metric)
    return jnp.sum(jnp.where(there, embedded, 0), axis=0, keepdims=True) / count


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
    """Smooths the queries of one meeting, `block` from each device at once, into `out`.

    The queries are the items where they are None.
    """
    body = functools.partial(_on_device, ks=ks, metric=metric, block=block)
    whole = P(None, ROWS)
    specs = (whole, P(ROWS), P(ROWS), P(ROWS), P(ROWS), P(), P(ROWS))
    # Unchecked: thresholds are equal on all devices since counts are, which types can't tell.
    return jax.shard_map(body, mesh=mesh, in_specs=specs, out_specs=whole, check_vma=False)(
        out, scores, features, query_scores, query_features, mean, tables
    )


def _on_device(
    out, scores, features, query_scores, query_features, mean, tables, *, ks, metric, block
):
    """Each device's part: its rows of a meeting, then block after block of everyone's queries."""
    rows, row_count, queries, query_count, own = (x[0] for x in tables)
    if query_features is None:
        query_scores, query_features = scores, features
    there = jnp.arange(len(rows)) < row_count
    items = _centred(features, rows, there, mean, metric)
    norms = jnp.sum(items**2, axis=1)
    longest = jax.lax.pmax(jnp.sqrt(jnp.max(norms)), ROWS)
    known = LocalCandidates(
        items,
        jnp.where(there, norms, jnp.inf),
        scores[rows],
        longest,
        jax.lax.psum(row_count, ROWS),
    )

    def one_block(inputs: tuple[Array, Array, Array]) -> Float[Array, "k b"]:
        queries, own, asked = inputs
        q = _centred(query_features, queries, asked, mean, metric)
        return smooth_block(known, query_scores[queries], q, own, ks=ks)

    asked = jnp.arange(len(queries)) < query_count
    parts = jax.lax.map(one_block, tuple(x.reshape(-1, block) for x in (queries, own, asked)))
    smoothed = jnp.moveaxis(parts, 1, 0).reshape(len(ks), -1)
    return out.at[:, jnp.where(asked, queries, out.shape[1])].set(smoothed, mode="drop")


def smooth_block(
    items: LocalCandidates,
    query_scores: Float[Array, " b"],
    query_features: Float[Array, "b d"],
    own: Int[Array, " b"],
    *,
    ks: tuple[int, ...],
) -> Float[Array, "k b"]:
    """Smooths the same number of queries from every device; runs under `shard_map` over ROWS.

    Args:
      items: this device's.
      query_scores: [b] of this device's queries.
      query_features: [b, d] centred.
      own: [b] a query's place in this device's items, or -1.
      ks: Ks.

    Returns:
      [len(ks), b] for this device's queries.
    """
    q = jax.lax.all_gather(query_features, ROWS, tiled=True)
    places = jax.lax.all_gather(own, ROWS, tiled=True)
    # Without the query's own norm, which changes no order.
    products = jnp.matmul(q, items.features.T, precision=jax.lax.Precision.HIGHEST)
    mine = jnp.arange(len(q)) // len(own) == jax.lax.axis_index(ROWS)
    itself = jnp.where(mine, places, -1)[:, None] == jnp.arange(len(items.norms))[None, :]
    near = jnp.where(itself, jnp.inf, items.norms[None, :] - 2 * products)
    low, high = bounds(q, items.longest)
    total = items.total - (places >= 0).astype(jnp.int32)

    ranks = jnp.asarray(ks, jnp.int32) - 1
    brackets = select(near, ranks, low, high, total, axis=ROWS)

    def one_k(inputs: tuple[Array, Bracket]) -> Float[Array, " b"]:
        rank, bracket = inputs
        weights = selection_weights(near, rank, bracket)
        sums = jnp.matmul(weights, items.scores, precision=jax.lax.Precision.HIGHEST)
        return (query_scores + jax.lax.psum_scatter(sums, ROWS, tiled=True)) / (rank + 1)

    return jax.lax.map(one_k, (ranks, brackets))


def _centred(features, numbers, there, mean, metric) -> Float[Array, "r d"]:
    """Rows by number in the space of distances; zero where there is none."""
    x = jax.lax.stop_gradient(features[numbers])
    return jnp.where(there[:, None], to_metric_space(x, metric) - mean, 0)
