"""Keeps a section's neighbour lists and smoothed scores current in the database."""

import sqlite3
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from jax_dns.monitor.database import ROWS, read_lists, write_lists
from jax_dns.monitor.neighbor_lists import (
    NeighborLists,
    find_changes,
    run_short,
    search,
    shift_rows,
    smoothed_scores,
    update_lists,
)
from jax_dns.monitor.section_rows import Section, map_features


def update_section(
    connection: sqlite3.Connection,
    folder: Path,
    state: Section,
    live: Bool[np.ndarray, " n"],
    *,
    k: int,
    width: int,
) -> Section:
    """Corrects the lists and smoothed scores after a change of live items or evidence.

    Args:
      connection: to the history's database, in a transaction.
      folder: of the history.
      state: the section; `items` as before the change, `evidence` as after it.
      live: [n] which items are live after it.
      k: K, the item itself counted.
      width: neighbours kept.

    Returns:
      The section after the change.
    """
    before, number = state.items, state.number
    after = before._replace(live=live, candidate=live & state.evidence)
    features, n_neighbors = map_features(folder, state), k - 1
    changes = find_changes(before, after, features, state.origin, width)
    old = read_lists(connection, number, changes.touched + state.base, width)
    old = shift_rows(old, -state.base)
    lists = update_lists(old, changes, after.candidate)
    short = run_short(lists, n_neighbors)
    refilled = search(changes.touched[short], features, after.candidate, state.origin, width)
    for column, values in zip(lists, refilled):
        column[short] = values
    bound, bound_row = before.bound.copy(), before.bound_row.copy()
    written = (old.rows != lists.rows).any(1) | (old.bound != lists.bound)
    changed = NeighborLists(*(column[written] for column in lists))
    for rows, part in (
        (changes.touched[written], changed),
        (changes.new, changes.new_lists),
    ):
        bound[rows], bound_row[rows] = part.bound, part.bound_row
        _write(connection, state, rows, part, k)
    expired = np.flatnonzero(before.live & ~live) + state.base + number * ROWS
    connection.executemany("DELETE FROM list WHERE id = ?", expired[:, None].tolist())
    return state._replace(items=after._replace(bound=bound, bound_row=bound_row))


def _write(
    connection: sqlite3.Connection, state: Section, rows: np.ndarray, lists: NeighborLists, k: int
) -> None:
    """Writes lists and the smoothed scores that follow from them."""
    smoothed = smoothed_scores(state.score[rows], lists, state.score, k)
    absolute = rows + state.base
    write_lists(connection, state.number, absolute, shift_rows(lists, state.base))
    connection.executemany(
        "UPDATE item SET smoothed = ? WHERE id = ?",
        zip(smoothed.tolist(), (absolute + state.number * ROWS).tolist()),
    )
