"""Who meets whom where items lie on several devices, and how rows change hands.

A plan is made on the host from groups and pool alone, the same in every process: rows of a group
(and, among them, those of the pool) are dealt out so that every device holds an equal share of
each, whatever order they came in. One all-to-all brings the rows there, one brings results back.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Int

from jax_dns.smoothing.engine.grouped import make_group_block
from jax_dns.smoothing.sharded.arrays import ROWS, shard_rows


class ReshardPlan(NamedTuple):
    """Which of its rows each device sends to which (None: all stay), and what each holds then."""

    send: Int[np.ndarray, "p p c"] | None  # [from, to]: local rows, past the end where none
    held: Int[np.ndarray, "p h"]  # numbers of the rows, or -1


class ShardedGroupBlock(NamedTuple):
    """What of each device meets: places among the rows it holds; `own` is a place in `rows`."""

    rows: Int[np.ndarray, "p r"]
    row_count: Int[np.ndarray, " p"]
    queries: Int[np.ndarray, "p q"]
    query_count: Int[np.ndarray, " p"]
    own: Int[np.ndarray, "p q"]  # -1 where a query is no item


def plan_reshard(classes: Int[np.ndarray, " n"], devices: int, rows: int) -> ReshardPlan:
    """Plans who gets which rows.

    Args:
      classes: [n] of each row; every device gets an equal share of each class, give or take one.
      devices: p.
      rows: on each device, the last ones padding; row i lies on device i // rows.

    Returns:
      The plan.
    """
    n = len(classes)
    if (classes == classes[0]).all():
        held = np.arange(devices * rows)
        return ReshardPlan(None, np.where(held < n, held, -1).reshape(devices, rows))
    to = np.empty(n, np.int64)
    to[np.argsort(classes, kind="stable")] = np.arange(n) % devices
    pair = np.arange(n) // rows * devices + to
    order = np.argsort(pair, kind="stable")
    counts = np.bincount(pair, minlength=devices**2)
    place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    numbers = np.full((devices**2, counts.max()), -1, np.int64)
    numbers[pair[order], place] = order
    numbers = numbers.reshape(devices, devices, -1)
    send = np.where(numbers < 0, rows, numbers % rows).astype(np.int32)
    return ReshardPlan(send, numbers.swapaxes(0, 1).reshape(devices, -1))


def scatter_rows(x: jax.Array, plan: ReshardPlan, mesh: Mesh) -> jax.Array:
    """[p * rows, ...] by number to [p * h, ...] as dealt."""
    return x if plan.send is None else _scatter_rows(x, shard_rows(plan.send, mesh), mesh=mesh)


def gather_rows(out: jax.Array, plan: ReshardPlan, mesh: Mesh, rows: int) -> jax.Array:
    """[k, p * h] as dealt to [k, p * rows] by number."""
    if plan.send is None:
        return out
    return _gather_rows(out, shard_rows(plan.send, mesh), mesh=mesh, rows=rows)


@functools.partial(jax.jit, static_argnames=("mesh",))
def _scatter_rows(x: Array, send: Int[Array, "p p c"], *, mesh: Mesh) -> Array:
    def body(x: Array, send: Array) -> Array:
        parts = jax.lax.all_to_all(x.at[send[0]].get(mode="clip"), ROWS, 0, 0)
        return parts.reshape(-1, *x.shape[1:])

    return jax.shard_map(body, mesh=mesh, in_specs=P(ROWS), out_specs=P(ROWS))(x, send)


@functools.partial(jax.jit, static_argnames=("mesh", "rows"))
def _gather_rows(out: Array, send: Int[Array, "p p c"], *, mesh: Mesh, rows: int) -> Array:
    def body(out: Array, send: Array) -> Array:
        parts = jax.lax.all_to_all(out.reshape(len(out), *send.shape[1:]), ROWS, 1, 1)
        return jnp.zeros((len(out), rows), out.dtype).at[:, send[0]].set(parts, mode="drop")

    specs = P(None, ROWS), P(ROWS)
    return jax.shard_map(body, mesh=mesh, in_specs=specs, out_specs=specs[0])(out, send)


def partition_held_rows(
    group: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    plan: ReshardPlan,
    query_group: Int[np.ndarray, " m"],
    query_plan: ReshardPlan,
    number: int,
    own: bool,
) -> list[ShardedGroupBlock]:
    """For each of `number` groups, which held rows of each device meet which queries.

    Args:
      group: [n] below `number`.
      pool: [n] booleans.
      plan: of the items.
      query_group: [m].
      query_plan: of the queries; the same where `own`.
      number: of groups.
      own: whether query i is item i.

    Returns:
      Of each group its places by device, padded to the longest.
    """
    held, asked = plan.held, query_plan.held
    items = [_by_value(np.where((h >= 0) & pool[h], group[h], number), number) for h in held]
    queries = [_by_value(np.where(h >= 0, query_group[h], number), number) for h in asked]
    out = []
    for g in range(number):
        parts = [make_group_block(i[g], q[g], held.shape[1], own) for i, q in zip(items, queries)]
        rows, wanted, places = zip(*parts)
        out.append(
            ShardedGroupBlock(
                _stack(rows, 0),
                np.asarray([len(x) for x in rows], np.int32),
                _stack(wanted, 0),
                np.asarray([len(x) for x in wanted], np.int32),
                _stack(places, -1),
            )
        )
    return out


def _by_value(x: Int[np.ndarray, " n"], number: int) -> list[np.ndarray]:
    """Places of each value below `number`."""
    counts = np.bincount(x, minlength=number + 1)
    return np.split(np.argsort(x, kind="stable"), np.cumsum(counts)[:-1])[:number]


def _stack(rows: tuple[np.ndarray, ...], fill: int) -> Int[np.ndarray, "p r"]:
    size = max(1, *map(len, rows))
    return np.stack([np.pad(x, (0, size - len(x)), constant_values=fill) for x in rows])


def widen(x: Int[np.ndarray, "p r"], size: int, fill: int = 0) -> Int[np.ndarray, "p s"]:
    return np.pad(x, ((0, 0), (0, size - x.shape[1])), constant_values=fill)
