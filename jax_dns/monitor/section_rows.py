"""One section's rows in memory, and its file of features."""

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jax_dns.monitor.database import ROWS
from jax_dns.monitor.neighbor_lists import Items

DAY = 86_400.0  # s
FEWEST_DROPPED = 1024  # expired rows, dropped from memory together


class Section(NamedTuple):
    """A section's rows in memory; index i is row `base` + i."""

    number: int
    dimension: int
    origin: Float[np.ndarray, " d"]  # subtracted from features before rough distances
    base: int  # rows before it have expired
    score: Float[np.ndarray, " n"]
    time: Float[np.ndarray, " n"]
    evidence: Bool[np.ndarray, " n"]  # may be a neighbour of others while it is live
    items: Items


def load_section(
    connection: sqlite3.Connection, number: int, dimension: int, origin: bytes
) -> Section:
    """Reads a section's rows from its first live one on."""
    ids = (number * ROWS, (number + 1) * ROWS)
    within = "WHERE item.id >= ? AND item.id < ?"
    (first,) = connection.execute(
        "SELECT min(id) FROM list WHERE id >= ? AND id < ?", ids
    ).fetchone()
    (last,) = connection.execute(f"SELECT max(id) FROM item {within}", ids).fetchone()
    base = first if first is not None else last + 1 if last is not None else ids[0]
    rows = connection.execute(
        "SELECT item.score, time, evidence, list.id IS NOT NULL, coalesce(bound, 0), "
        "coalesce(bound_row, -1) FROM item JOIN clip ON clip.id = item.clip "
        f"LEFT JOIN list ON list.id = item.id {within} ORDER BY item.id",
        (base, ids[1]),
    )
    table = np.fromiter(rows, np.dtype("f4,f8,?,?,f8,i8"))
    score, time, evidence, live, bound, bound_row = (table[name] for name in table.dtype.names)
    items = Items(live, live & evidence, bound, bound_row - (base - ids[0]))
    vector = np.frombuffer(origin, np.float32)
    return Section(number, dimension, vector, base - ids[0], score, time, evidence, items)


class SmoothedItems(NamedTuple):
    """Live items in the order of their arrival."""

    clip: Shaped[np.ndarray, " n"]  # names
    number: Int[np.ndarray, " n"]  # of the clip, in the history
    segment: Int[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]
    smoothed: Float[np.ndarray, " n"]
    time: Float[np.ndarray, " n"]
    evidence: Bool[np.ndarray, " n"]


def read_smoothed(connection: sqlite3.Connection, machine: str, section: int) -> SmoothedItems:
    """Reads a section's live items."""
    rows = connection.execute(
        "SELECT clip.name, clip.id, segment, item.score, smoothed, time, evidence FROM list "
        "JOIN item ON item.id = list.id JOIN clip ON clip.id = item.clip "
        "JOIN section ON section.id = clip.section "
        "WHERE machine = ? AND section.section = ? ORDER BY list.id",
        (machine, section),
    ).fetchall()
    types = (str, np.int64, np.int64, np.float32, np.float64, np.float64, bool)
    columns = zip(*rows) if rows else [()] * len(types)
    return SmoothedItems(*(np.asarray(c, t) for c, t in zip(columns, types)))


def map_features(folder: Path, state: Section) -> Float[np.ndarray, "n d"]:
    """Maps the features of a section's rows into memory."""
    shape = len(state.score), state.dimension
    if not shape[0]:
        return np.zeros(shape, np.float32)
    offset = 4 * state.base * state.dimension
    return np.memmap(_feature_file(folder, state), np.float32, "r", offset, shape)


def read_features(folder: Path, state: Section, first: int, count: int) -> np.ndarray:
    """Reads features from a row of the file on, expired ones too."""
    values = np.fromfile(
        _feature_file(folder, state),
        np.float32,
        count * state.dimension,
        offset=4 * first * state.dimension,
    )
    return values.reshape(count, state.dimension)


def write_features(folder: Path, state: Section, features: Float[np.ndarray, "s d"]) -> None:
    """Writes the features after a section's last row, and waits until the disk has them."""
    data = np.ascontiguousarray(features).tobytes()
    position = 4 * (state.base + len(state.score)) * state.dimension
    descriptor = os.open(_feature_file(folder, state), os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        os.ftruncate(descriptor, position)
        while data:
            written = os.pwrite(descriptor, data, position)
            data, position = data[written:], position + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _feature_file(folder: Path, state: Section) -> Path:
    return folder / f"features-{state.number}.f32"


def within_window(
    live: Bool[np.ndarray, " n"],
    time: Float[np.ndarray, " n"],
    keep_items: int | None,
    keep_days: float | None,
) -> Bool[np.ndarray, " n"]:
    """Returns the live items that a window keeps: the last ones, and those of the last days."""
    live = live.copy()
    if keep_days is not None and live.any():
        live &= time >= time[live].max() - keep_days * DAY
    if keep_items is not None:
        rows = np.flatnonzero(live)
        live[rows[: max(0, len(rows) - keep_items)]] = False
    return live


def without_expired(state: Section) -> Section:
    """Drops the expired rows before the first live one, once they are half of all rows."""
    live = np.flatnonzero(state.items.live)
    first = int(live[0]) if len(live) else len(state.score)
    if first < max(FEWEST_DROPPED, len(state.score) // 2):
        return state
    live, candidate, bound, bound_row = (column[first:].copy() for column in state.items)
    return state._replace(
        base=state.base + first,
        score=state.score[first:].copy(),
        time=state.time[first:].copy(),
        evidence=state.evidence[first:].copy(),
        items=Items(live, candidate, bound, bound_row - first),
    )
