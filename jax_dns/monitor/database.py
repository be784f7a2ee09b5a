"""The tables of a history, and how its database is opened.

A section is a product ID of a machine type; its clips have items, one for each segment. An item
that has a row in `list` is live, the others have expired. An item's id is its section's number
times 2^40 plus its row in the section's file of features.
"""

import sqlite3
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.monitor.neighbor_lists import NeighborLists, empty_lists

DATABASE = "history.sqlite3"
FORMAT_VERSION = 1
ROWS = 2**40  # ids of a section
WAIT = 30.0  # s for another connection's transaction
ENTRY = np.dtype([("row", "<i8"), ("distance", "<f8")])
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value);
CREATE TABLE section (
  id INTEGER PRIMARY KEY, machine TEXT, section INTEGER, dimension INTEGER, origin BLOB,
  reset INTEGER DEFAULT 0, UNIQUE (machine, section));
CREATE TABLE clip (
  id INTEGER PRIMARY KEY, section INTEGER, name TEXT, path TEXT, digest TEXT, time REAL,
  score REAL, distance REAL, p_score REAL, p_distance REAL, p REAL, gamma REAL,
  level TEXT, evidence INTEGER, label INTEGER, acknowledged TEXT, UNIQUE (section, digest));
CREATE TABLE item (
  id INTEGER PRIMARY KEY, clip INTEGER, segment INTEGER, score REAL, smoothed REAL);
CREATE INDEX clip_of_section ON clip (section, id);
CREATE INDEX item_of_clip ON item (clip);
CREATE TABLE list (id INTEGER PRIMARY KEY, entries BLOB, bound REAL, bound_row INTEGER);
CREATE TABLE file (
  path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, outcome TEXT, reason TEXT);
CREATE TABLE event (id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, content TEXT);
CREATE TABLE request (id INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT);
"""


class ClipRecord(NamedTuple):
    """A clip's row in the history, without its segments."""

    name: str
    digest: str  # of its samples
    time: float  # s since 1970
    path: str = ""
    score: float = float("nan")  # of the clip, a_G
    distance: float = float("nan")  # to the nearest known normals
    p_score: float = float("nan")  # p-value of the score
    p_distance: float = float("nan")  # p-value of the distance to the nearest known normals
    p: float = float("nan")  # of both together
    gamma: float = float("nan")  # quantile of the score under a gamma distribution
    level: str = ""  # of the section after this clip
    label: int = -1  # 0 normal, 1 anomaly, -1 unknown


def connect(path: Path) -> sqlite3.Connection:
    """Opens a database; transactions are begun and ended explicitly.

    Raises:
      InputError: the file can't be opened, or isn't a database.
    """
    try:
        connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        raise InputError(f"{path}: can't be opened as a history ({error})") from error
    return connection


def make_folder(folder: Path) -> Path:
    """Makes the folder of a history.

    Raises:
      InputError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: can't be made ({error.strerror})") from error
    return folder


def read_facts(connection: sqlite3.Connection, path: Path) -> dict[str, int | str]:
    """Reads the settings that a database was made with, by name; {} for a new database.

    Raises:
      InputError: it isn't a database.
    """
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return {}
        return dict(connection.execute("SELECT name, value FROM meta").fetchall())
    except sqlite3.Error as error:
        raise InputError(f"{path}: not a history ({error})") from error


def make_tables(connection: sqlite3.Connection, path: Path, facts: dict[str, int | str]) -> None:
    """Makes the tables of a new database, or compares an old one's facts.

    Args:
      connection: to the database.
      path: of the database, for messages.
      facts: name -> value, such as K; an empty string is not compared.

    Raises:
      InputError: a database of another format, or with other facts.
    """
    facts = {"format_version": FORMAT_VERSION} | facts
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not read_facts(connection, path):
            for statement in filter(str.strip, TABLES.split(";")):
                connection.execute(statement)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
        known = read_facts(connection, path)
        for name, value in facts.items():
            if value not in (known.get(name), ""):
                raise InputError(
                    f"{path}: has {name} {known.get(name)}, expected {value} (choose another "
                    "folder for the history)"
                )
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        connection.execute("ROLLBACK")
        raise InputError(f"{path}: not a history ({error})") from error
    except InputError:
        connection.execute("ROLLBACK")
        raise


def read_lists(
    connection: sqlite3.Connection, section: int, rows: np.ndarray, width: int
) -> NeighborLists:
    """Reads the lists of some live items.

    Args:
      connection: to the database.
      section: number of the section.
      rows: [t].
      width: entries of a list.
    """
    lists = empty_lists(len(rows), width)
    for i, row in enumerate(rows.tolist()):
        entries, bound, bound_row = connection.execute(
            "SELECT entries, bound, bound_row FROM list WHERE id = ?", (section * ROWS + row,)
        ).fetchone()
        entries = np.frombuffer(entries, ENTRY)
        lists.rows[i, : len(entries)] = entries["row"]
        lists.distances[i, : len(entries)] = entries["distance"]
        lists.bound[i], lists.bound_row[i] = bound, bound_row
    return lists


def write_lists(
    connection: sqlite3.Connection, section: int, rows: np.ndarray, lists: NeighborLists
) -> None:
    """Writes lists over older ones of the same items; arguments as of `read_lists`."""
    entries = np.empty(lists.rows.shape, ENTRY)
    entries["row"], entries["distance"] = lists.rows, lists.distances
    lengths = (lists.rows >= 0).sum(1).tolist()
    connection.executemany(
        "INSERT OR REPLACE INTO list VALUES (?, ?, ?, ?)",
        (
            (section * ROWS + row, entry[:length].tobytes(), bound, bound_row)
            for row, entry, length, bound, bound_row in zip(
                rows.tolist(), entries, lengths, lists.bound.tolist(), lists.bound_row.tolist()
            )
        ),
    )


def insert_clip(
    connection: sqlite3.Connection,
    section: int,
    first: int,
    clip: ClipRecord,
    scores: Float[np.ndarray, " s"],
    evidence: bool,
) -> int:
    """Inserts a clip and its items.

    Args:
      connection: to the database.
      section: number of the section.
      first: row of the clip's first item.
      clip: the clip.
      scores: [s] a_G of its items.
      evidence: other items may take it as a neighbour.

    Returns:
      The clip's number.
    """
    values = {"section": section, "evidence": evidence} | clip._asdict()
    number = connection.execute(
        f"INSERT INTO clip ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
        tuple(values.values()),
    ).lastrowid
    connection.executemany(
        "INSERT INTO item (id, clip, segment, score) VALUES (?, ?, ?, ?)",
        [(section * ROWS + first + i, number, i, score) for i, score in enumerate(scores.tolist())],
    )
    return number
