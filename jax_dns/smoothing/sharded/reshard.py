"""How rows move between devices so that each holds an equal share of every group.

A plan is made on the host from groups and pool alone, the same in every process. Rows of a group
(and of its pool) are spread over all devices equally, whatever order they came in. One all-to-all
moves the rows, another moves the results back.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Int

from jax_dns.smoothing.partition import partition_by_group
from jax_dns.smoothing.sharded.arrays import ROWS, shard_rows


class ReshardPlan(NamedTuple):
    """Which rows each device sends to which, and which it holds after that."""

    send: Int[np.ndarray, "p p c"] | None  # [from, to]: local rows, past the end: none; None: stay
    held: Int[np.ndarray, "p h"]  # row numbers, or -1


class ShardedGroupBlock(NamedTuple):
    """One group's candidates and queries on each device: positions among the rows it holds."""

    rows: Int[np.ndarray, "p r"]
    row_count: Int[np.ndarray, " p"]
    queries: Int[np.ndarray, "p q"]
    query_count: Int[np.ndarray, " p"]
    self_index: Int[np.ndarray, "p q"]  # position in `rows` of the query itself; -1: none


def plan_reshard(
    classes: Int[np.ndarray, " n"], devices: int, rows: int, *, deal: bool = False
) -> ReshardPlan:
    """Plans which device gets which rows.

    Args:
      classes: [n] of each row; every device gets an equal share of each class, give or take one.
      devices: p.
      rows: on each device, the last ones padding; row i lies on device i // rows.
      deal: whether rows of one class alone are moved, too, so that neighbouring rows are spread.

    Returns:
      The plan.
    """
    n = len(classes)
    if not deal and (classes == classes[0]).all():
        held = np.arange(devices * rows)
        return ReshardPlan(None, np.where(held < n, held, -1).reshape(devices, rows))
    target = np.empty(n, np.int64)
    target[np.argsort(classes, kind="stable")] = np.arange(n) % devices
    pair = np.arange(n) // rows * devices + target
    order = np.argsort(pair, kind="stable")
    counts = np.bincount(pair, minlength=devices**2)
    position = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    numbers = np.full((devices**2, counts.max()), -1, np.int64)
    numbers[pair[order], position] = order
    numbers = numbers.reshape(devices, devices, -1)
    send = np.where(numbers < 0, rows, numbers % rows).astype(np.int32)
    return ReshardPlan(send, numbers.swapaxes(0, 1).reshape(devices, -1))


def scatter_rows(x: jax.Array, plan: ReshardPlan, mesh: Mesh) -> jax.Array:
    """Moves rows [p * rows, ...] from their original order to the plan's order [p * h, ...]."""
    return x if plan.send is None else _scatter_rows(x, shard_rows(plan.send, mesh), mesh=mesh)


def gather_rows(out: jax.Array, plan: ReshardPlan, mesh: Mesh, rows: int) -> jax.Array:
    """Moves columns [k, p * h] from the plan's order to the original order [k, p * rows]."""
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
    n_groups: int,
    *,
    exclude_self: bool,
) -> list[ShardedGroupBlock]:
    """Runs `partition_by_group` on the rows that each device holds.

    Args:
      group: [n] group number of each item; from `n_groups` on for items to leave out.
      pool: [n] which items may be neighbours.
      plan: of the items.
      query_group: [m] group number of each query.
      query_plan: of the queries; the same as `plan` if `exclude_self`.
      n_groups: how many groups there are.
      exclude_self: whether query i is item i.

    Returns:
      A block for each group, padded to the device with the most rows.
    """

    def held_groups(held: Int[np.ndarray, " h"], group: Int[np.ndarray, " n"]) -> np.ndarray:
        return np.where(held >= 0, group[held], n_groups)

    by_device = [
        partition_by_group(
            held_groups(held, group),
            pool[held],
            held_groups(held_queries, query_group),
            n_groups,
            exclude_self=exclude_self,
        )
        for held, held_queries in zip(plan.held, query_plan.held)
    ]
    blocks = []
    for one_group in zip(*by_device):
        rows, queries, self_index = zip(*one_group)
        row_count, query_count = (np.asarray([*map(len, x)], np.int32) for x in (rows, queries))
        blocks.append(
            ShardedGroupBlock(
                _stack(rows, 0), row_count, _stack(queries, 0), query_count, _stack(self_index, -1)
            )
        )
    return blocks


def widen(x: Int[np.ndarray, "p r"], size: int, fill: int = 0) -> Int[np.ndarray, "p s"]:
    """Pads the second axis to `size`."""
    return np.pad(x, ((0, 0), (0, size - x.shape[1])), constant_values=fill)


def _stack(rows: tuple[np.ndarray, ...], fill: int) -> Int[np.ndarray, "p r"]:
    size = max(1, *map(len, rows))
    return np.stack([np.pad(x, (0, size - len(x)), constant_values=fill) for x in rows])
