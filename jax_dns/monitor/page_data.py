"""Reads the page's content from the history's database while the service writes to it."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jax_dns.monitor.database import DATABASE, ENTRY, ROWS

LAST_CLIPS = 300  # of a section's curve
NEIGHBORS = 4  # clips shown beside one
METRICS = {  # name -> type and description, in Prometheus' text format
    "jax_dns_clips_total": ("counter", "Clips scored."),
    "jax_dns_level": ("gauge", "Level of a section: 0 normal, 1 warning, 2 alarm."),
    "jax_dns_p_value": ("gauge", "p-value of a section's last clip."),
    "jax_dns_drift_p_value": ("gauge", "p-value of a section's last test for drift."),
    "jax_dns_events_total": ("counter", "Events by kind."),
}
Rows = list[dict[str, Any]]


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Opens a history's database to read it."""
    address = (folder / DATABASE).absolute().as_uri() + "?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=5)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()


def sections(connection: sqlite3.Connection) -> Rows:
    """Returns every section at a glance: its level, its clips, its drift."""
    rows = connection.execute(
        "SELECT section.id, machine, section.section, reset, count(clip.id) AS clips, "
        "max(clip.id) AS last FROM section LEFT JOIN clip ON clip.section = section.id "
        "GROUP BY section.id ORDER BY machine, section.section"
    ).fetchall()
    levels = dict(
        connection.execute("SELECT name, value FROM meta WHERE name IN ('alarm_p', 'warning_p')")
    )
    out = []
    for row in rows:
        last = connection.execute(
            "SELECT name, time, level, p FROM clip WHERE id = ?", (row["last"],)
        ).fetchone()
        level = "normal" if last is None or row["last"] <= row["reset"] else last["level"]
        recent = connection.execute(
            "SELECT p FROM clip WHERE section = ? ORDER BY id DESC LIMIT 60", (row["id"],)
        ).fetchall()
        out.append(
            {
                "machine": row["machine"],
                "section": row["section"],
                "level": level,
                "clips": row["clips"],
                "last": dict(last) if last else None,
                "recent": [p for (p,) in reversed(recent)],
                "drift": last_event(connection, "drift", row["machine"], row["section"]),
                "look_back": last_event(connection, "look_back", row["machine"], row["section"]),
            }
            | levels
        )
    return out


def clips(connection: sqlite3.Connection, machine: str, section: int) -> Rows:
    """Returns a section's last clips in the order of their arrival."""
    rows = connection.execute(
        "SELECT clip.id, name, time, score, p, p_score, p_distance, gamma, level, evidence, label, "
        "acknowledged, (SELECT avg(smoothed) FROM item WHERE item.clip = clip.id) AS smoothed "
        "FROM clip JOIN section ON section.id = clip.section "
        "WHERE machine = ? AND section.section = ? ORDER BY clip.id DESC LIMIT ?",
        (machine, section, LAST_CLIPS),
    ).fetchall()
    return [dict(row) for row in reversed(rows)]


def clip(connection: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    """Returns a clip and its nearest neighbours; None for no such clip."""
    row = connection.execute(
        "SELECT clip.*, machine, section.section AS number FROM clip "
        "JOIN section ON section.id = clip.section WHERE clip.id = ?",
        (number,),
    ).fetchone()
    if row is None:
        return None
    return dict(row) | {"section": row["number"], "neighbors": _neighbors(connection, row)}


def last_event(
    connection: sqlite3.Connection, kind: str, machine: str, section: int
) -> dict[str, Any] | None:
    """Returns a section's last event of a kind."""
    row = connection.execute(
        "SELECT content FROM event WHERE json_extract(content, '$.event') = ? "
        "AND json_extract(content, '$.machine') = ? AND json_extract(content, '$.section') = ? "
        "ORDER BY id DESC LIMIT 1",
        (kind, machine, section),
    ).fetchone()
    return json.loads(row[0]) if row else None


def last_event_number(connection: sqlite3.Connection) -> int:
    """Returns the number of the last event; 0 for none."""
    return connection.execute("SELECT coalesce(max(id), 0) FROM event").fetchone()[0]


def prometheus(connection: sqlite3.Connection) -> str:
    """Returns the history's figures in Prometheus' text format, each metric's lines together."""
    samples: dict[str, list[str]] = {name: [] for name in METRICS}
    for row in sections(connection):
        where = f'machine="{_label(row["machine"])}",section="{row["section"]:02d}"'
        values = {
            "jax_dns_clips_total": row["clips"],
            "jax_dns_level": ("normal", "warning", "alarm").index(row["level"]),
            "jax_dns_p_value": row["last"] and row["last"]["p"],
            "jax_dns_drift_p_value": row["drift"] and row["drift"]["p"],
        }
        for name, value in values.items():
            if value is not None:
                samples[name].append(f"{name}{{{where}}} {value}")
    kinds = connection.execute(
        "SELECT json_extract(content, '$.event') AS kind, count(*) FROM event GROUP BY kind"
    )
    name = "jax_dns_events_total"
    samples[name] += [f'{name}{{event="{kind}"}} {count}' for kind, count in kinds]
    lines = []
    for name, (kind, description) in METRICS.items():
        lines += [f"# HELP {name} {description}", f"# TYPE {name} {kind}", *samples[name]]
    return "\n".join(lines) + "\n"


def _neighbors(connection: sqlite3.Connection, row: sqlite3.Row) -> Rows:
    """Returns the clips whose segments are nearest to a clip's, nearest first."""
    lists = connection.execute(
        "SELECT entries FROM item JOIN list ON list.id = item.id WHERE clip = ?", (row["id"],)
    ).fetchall()
    if not lists:
        return []
    entries = np.concatenate([np.frombuffer(entries, ENTRY) for (entries,) in lists])
    nearest: dict[int, float] = {}
    for place in np.argsort(entries["distance"], kind="stable"):
        number = row["section"] * ROWS + int(entries["row"][place])
        (other,) = connection.execute("SELECT clip FROM item WHERE id = ?", (number,)).fetchone()
        if other != row["id"]:
            nearest.setdefault(other, float(np.sqrt(entries["distance"][place])))
        if len(nearest) == NEIGHBORS:
            break
    out = []
    for other, distance in nearest.items():
        fields = "id, name, time, score, p, level, acknowledged"
        row_of_other = connection.execute(
            f"SELECT {fields} FROM clip WHERE id = ?", (other,)
        ).fetchone()
        out.append(dict(row_of_other) | {"distance": distance})
    return out


def _label(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
