"""The history of a machine: every clip ever scored, and smoothed scores that stay current.

    <folder>/history.sqlite3        sections, clips, items, neighbour lists, files, events
    <folder>/features-<number>.f32  one section's features, float32, appended to

A clip is appended in one transaction: its features are written and synchronised, then the database
commits the rest. The database's count of rows decides: features beyond it in the file were never
committed and are overwritten. So a kill at any moment leaves all of a clip or nothing.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from jax_dns.errors import InputError
from jax_dns.monitor.database import (
    DATABASE,
    ROWS,
    ClipRecord,
    connect,
    insert_clip,
    make_folder,
    make_tables,
    read_facts,
)
from jax_dns.monitor.export import export_items, largest_difference
from jax_dns.monitor.neighbor_lists import Items
from jax_dns.monitor.section_rows import (
    Section,
    SmoothedItems,
    load_section,
    map_features,
    read_features,
    read_smoothed,
    within_window,
    without_expired,
    write_features,
)
from jax_dns.monitor.section_update import update_section

DEFAULT_K = 16


class History:
    """A history that is open for writing; one process at a time holds it, by `workdir_lock`."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, k: int, spare: int):
        self.folder, self.connection, self.k = folder, connection, k
        self._width = max(1, k - 1 + spare)
        self._sections: dict[tuple[str, int], Section] = {}
        self._pending: dict[tuple[str, int], Section] | None = None

    @classmethod
    def open(
        cls, folder: Path, *, k: int | None = None, spare: int | None = None, model: str = ""
    ) -> "History":
        """Opens a history, or makes a new one.

        Args:
          folder: of its files.
          k: K of the smoothed scores, the item itself counted; None: the history's, 16 for a new
            one.
          spare: neighbours kept beyond the K - 1, so that few searches are needed when items
            expire; None: a quarter of K, at least 8.
          model: digest of the trained components; "" accepts any.

        Returns:
          The history; `close` it.

        Raises:
          InputError: a folder that can't be used, another K or model than the history's.
        """
        if k is not None and k < 1:
            raise InputError(f"k: {k}, expected 1 or more")
        path = make_folder(folder) / DATABASE
        connection = connect(path)
        try:
            known = read_facts(connection, path)
            k = k or known.get("k", DEFAULT_K)
            spare = known.get("spare", max(8, k // 4)) if spare is None else spare
            make_tables(connection, path, {"k": k, "spare": spare, "model": model})
        except InputError:
            connection.close()
            raise
        return cls(folder, connection, k, spare)

    def close(self) -> None:
        """Closes the database."""
        self.connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits everything done inside it together, or nothing; transactions nest."""
        if self._pending is not None:
            yield
            return
        self._pending = {}
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            yield
            self.connection.execute("COMMIT")
            self._sections |= self._pending
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        finally:
            self._pending = None

    def sections(self) -> list[tuple[str, int]]:
        """Returns machine type and section of everything in the history."""
        return self.connection.execute(
            "SELECT machine, section FROM section ORDER BY machine, section"
        ).fetchall()

    def seen(self, machine: str, section: int, digest: str) -> bool:
        """Returns whether a section has had a clip of the same samples."""
        row = self.connection.execute(
            "SELECT 1 FROM clip JOIN section ON section.id = clip.section "
            "WHERE machine = ? AND section.section = ? AND digest = ?",
            (machine, section, digest),
        ).fetchone()
        return row is not None

    def append(
        self,
        machine: str,
        section: int,
        clip: ClipRecord,
        scores: Float[np.ndarray, " s"],
        features: Float[np.ndarray, "s d"],
        *,
        evidence: bool = True,
        keep_items: int | None = None,
        keep_days: float | None = None,
    ) -> tuple[int, Float[np.ndarray, " s"]]:
        """Appends a clip, corrects the smoothed scores that it changes, and expires old items.

        Args:
          machine: the machine type.
          section: product ID.
          clip: its row; its samples must be new to the section.
          scores: [s] a_G of its segments.
          features: [s, d] f_D of its segments.
          evidence: other items may take it as a neighbour.
          keep_items: items of the section to keep; None: all.
          keep_days: days to keep items, before the newest one's time; None: for ever.

        Returns:
          The clip's number and the smoothed scores of its segments.

        Raises:
          InputError: values that aren't finite, or features of another size than the history's.
        """
        scores, features = np.asarray(scores, np.float32), np.asarray(features, np.float32)
        if not (np.isfinite(scores).all() and np.isfinite(features).all() and len(scores)):
            raise InputError(f"{clip.name}: its scores or features aren't finite")
        with self.transaction():
            state = self._section(machine, section, features)
            if features.shape[1] != state.dimension:
                raise InputError(
                    f"{clip.name}: {features.shape[1]} features, expected {state.dimension} as "
                    f"the history of {machine}, section {section:02d}, has"
                )
            n, s = len(state.score), len(scores)
            write_features(self.folder, state, features)
            first = state.base + n
            number = insert_clip(self.connection, state.number, first, clip, scores, evidence)
            blank = Items(np.zeros(s, bool), np.zeros(s, bool), np.full(s, np.inf), np.full(s, -1))
            before = Items(*(np.concatenate(pair) for pair in zip(state.items, blank)))
            state = state._replace(
                score=np.concatenate([state.score, scores]),
                time=np.concatenate([state.time, np.full(s, clip.time)]),
                evidence=np.concatenate([state.evidence, np.full(s, evidence)]),
                items=before,
            )
            live = before.live.copy()
            live[n:] = True
            live = within_window(live, state.time, keep_items, keep_days)
            self._update((machine, section), state, live)
            smoothed = self.connection.execute(
                "SELECT smoothed FROM item WHERE clip = ? ORDER BY id", (number,)
            ).fetchall()
        return number, np.asarray(smoothed, np.float64)[:, 0]

    def expire(
        self,
        machine: str,
        section: int,
        *,
        keep_items: int | None = None,
        keep_days: float | None = None,
    ) -> int:
        """Expires old items, as `append` does; keep_items=0 expires all of them.

        Returns:
          Their number.
        """
        with self.transaction():
            state = self._section(machine, section)
            if state is None:
                return 0
            live = within_window(state.items.live, state.time, keep_items, keep_days)
            expired = int(state.items.live.sum() - live.sum())
            self._update((machine, section), state, live)
        return expired

    def set_evidence(self, machine: str, section: int, clip: int, evidence: bool) -> None:
        """Sets whether others may take a clip's items as neighbours, and corrects scores."""
        with self.transaction():
            state = self._section(machine, section)
            if state is None:
                return
            self.connection.execute("UPDATE clip SET evidence = ? WHERE id = ?", (evidence, clip))
            ids = self.connection.execute("SELECT id FROM item WHERE clip = ?", (clip,)).fetchall()
            rows = np.asarray([i - state.number * ROWS for (i,) in ids], np.int64) - state.base
            flags = state.evidence.copy()
            flags[rows[rows >= 0]] = evidence
            state = state._replace(evidence=flags)
            self._update((machine, section), state, state.items.live)

    def smoothed(self, machine: str, section: int) -> SmoothedItems:
        """Returns the live items of a section with their smoothed scores as they are now."""
        return read_smoothed(self.connection, machine, section)

    def live_features(self, machine: str, section: int) -> Float[np.ndarray, "n d"]:
        """Returns the features of a section's live items, in the order of `smoothed`."""
        state = self._section(machine, section)
        if state is None:
            return np.zeros((0, 0), np.float32)
        return np.asarray(map_features(self.folder, state)[state.items.live])

    def mean_features(
        self, machine: str, section: int, clips: Sequence[int]
    ) -> Float[np.ndarray, "c d"]:
        """Returns the mean feature of each of some clips, expired ones too."""
        state = self._section(machine, section)
        means = []
        for clip in clips:
            first, count = self.connection.execute(
                "SELECT min(id), count(*) FROM item WHERE clip = ?", (clip,)
            ).fetchone()
            rows = read_features(self.folder, state, first - state.number * ROWS, count)
            means.append(rows.mean(0, dtype=np.float64))
        return np.asarray(means)

    def export(self, path: Path) -> int:
        """Writes every item to a .csv or .parquet file; returns their number."""
        return export_items(self.connection, path)

    def check(self, machine: str, section: int) -> float:
        """Returns the largest difference from a full recomputation, see `largest_difference`."""
        items, features = self.smoothed(machine, section), self.live_features(machine, section)
        return largest_difference(items.score, items.smoothed, features, items.evidence, self.k)

    def emit(self, event: str, **content: Any) -> None:
        """Adds an event for the service to print, as a part of the transaction."""
        text = json.dumps({"event": event} | content, ensure_ascii=False, allow_nan=False)
        with self.transaction():
            self.connection.execute(
                "INSERT INTO event (time, content) VALUES (?, ?)", (time.time(), text)
            )

    def _section(
        self, machine: str, section: int, features: Float[np.ndarray, "s d"] | None = None
    ) -> Section | None:
        """Returns a section's rows; makes the section if features of its first clip are given."""
        key = (machine, section)
        for states in (self._pending or {}, self._sections):
            if key in states:
                return states[key]
        row = self.connection.execute(
            "SELECT id, dimension, origin FROM section WHERE machine = ? AND section = ?", key
        ).fetchone()
        if row is None and features is None:
            return None
        if row is None:
            origin = features.astype(np.float64).mean(0).astype(np.float32)
            cursor = self.connection.execute(
                "INSERT INTO section (machine, section, dimension, origin) VALUES (?, ?, ?, ?)",
                (*key, features.shape[1], origin.tobytes()),
            )
            row = cursor.lastrowid, features.shape[1], origin.tobytes()
        state = load_section(self.connection, *row)
        (self._sections if self._pending is None else self._pending)[key] = state
        return state

    def _update(self, key: tuple[str, int], state: Section, live: Bool[np.ndarray, " n"]) -> None:
        options = dict(k=self.k, width=self._width)
        state = update_section(self.connection, self.folder, state, live, **options)
        self._pending[key] = without_expired(state)
