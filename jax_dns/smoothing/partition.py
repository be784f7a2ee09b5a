"""Which items are candidates of which queries: one block for each group, made on the host."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

GOLDEN_RATIO = 0.6180339887


class GroupBlock(NamedTuple):
    """One group's queries and their candidates.

    Attributes:
      rows: [r] numbers of the candidates, in pseudo-random order, so that any prefix is a fair
        sample of them.
      queries: [q] numbers of the queries.
      self_index: [q] position in `rows` of the candidate that is the query itself; -1: none.
    """

    rows: Int[np.ndarray, " r"]
    queries: Int[np.ndarray, " q"]
    self_index: Int[np.ndarray, " q"]


def number_groups(
    groups: Int[Any, " n"], query_groups: Int[Any, " m"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"], int]:
    """Numbers the groups of the queries from 0 on.

    Args:
      groups: [n] of the items.
      query_groups: [m] of the queries.

    Returns:
      [n] numbers of the items' groups, [m] of the queries' groups, and how many groups there are;
      an item whose group has no query gets that count as its number.
    """
    values, query_group = np.unique(np.asarray(query_groups), return_inverse=True)
    position = np.minimum(np.searchsorted(values, groups), len(values) - 1)
    return np.where(values[position] == groups, position, len(values)), query_group, len(values)


def partition_by_group(
    group: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    query_group: Int[np.ndarray, " m"],
    n_groups: int,
    *,
    exclude_self: bool,
) -> list[GroupBlock]:
    """Splits items and queries into one block for each group.

    Args:
      group: [n] group number of each item; from `n_groups` on for items to leave out.
      pool: [n] which items may be neighbours.
      query_group: [m] group number of each query; from `n_groups` on for queries to leave out.
      n_groups: how many groups there are.
      exclude_self: whether query i is item i, which is then no candidate of its own.

    Returns:
      The blocks, in the order of the group numbers.
    """
    rows_of = _rows_by_value(np.where(pool, group, n_groups), n_groups)
    queries_of = _rows_by_value(query_group, n_groups)
    position = np.full(len(group), -1, np.int32)
    blocks = []
    for rows, queries in zip(rows_of, queries_of):
        rows = _shuffle(rows).astype(np.int32)
        position[rows] = np.arange(len(rows))
        self_index = position[queries] if exclude_self else np.full(len(queries), -1, np.int32)
        blocks.append(GroupBlock(rows, queries.astype(np.int32), self_index))
    return blocks


def bucket(size: int, parts: int = 4) -> int:
    """Rounds a size up to one of `parts` sizes an octave, so that few programs are compiled."""
    step = max(1, 2 ** max(size - 1, 0).bit_length() // (2 * parts))
    return -(-max(size, 1) // step) * step


def pad_rows(x: Int[np.ndarray, " n"], size: int) -> Int[np.ndarray, " size"]:
    """Pads row numbers by repeating the last one; zeros where there is none."""
    return np.pad(x, (0, size - len(x)), mode="edge") if len(x) else np.zeros(size, x.dtype)


def _rows_by_value(x: Int[np.ndarray, " n"], n_values: int) -> list[Int[np.ndarray, " r"]]:
    """Returns the positions of each value below `n_values`, in order."""
    counts = np.bincount(np.minimum(x, n_values), minlength=n_values + 1)
    return np.split(np.argsort(x, kind="stable"), np.cumsum(counts)[:-1])[:n_values]


def _shuffle(rows: Int[np.ndarray, " r"]) -> Int[np.ndarray, " r"]:
    """Reorders by steps of the golden ratio."""
    step = max(1, round(GOLDEN_RATIO * len(rows)))
    while np.gcd(step, len(rows)) > 1:
        step += 1
    return rows[np.arange(len(rows), dtype=np.int64) * step % max(1, len(rows))]
