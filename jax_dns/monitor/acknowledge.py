"""Requests of people: a clip was normal, a clip was a fault, maintenance is done.

The page and the command line add requests to the history's database. The service alone applies
them, in the order of their arrival.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.monitor.database import DATABASE, connect
from jax_dns.monitor.history import History
from jax_dns.monitor.smoothed_evidence import forget_choice

KINDS = ("normal", "fault", "maintenance")


def send_request(folder: Path, clip: int, kind: str) -> None:
    """Leaves a request for the service, which may be running or not.

    Args:
      folder: of the history.
      clip: number of a clip in the history; for "maintenance", any clip of the section.
      kind: "normal": other clips may take it as a neighbour, it is one of the known normals, and
        the section's level starts anew; "fault": no other clip may take it as a neighbour;
        "maintenance": the section's items expire, and its level starts anew.

    Raises:
      InputError: no such history, clip or kind.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise InputError(f"{path}: no such file (expected the folder of a history)")
    if kind not in KINDS:
        raise InputError(f"{kind!r}: expected one of {', '.join(KINDS)}")
    with contextlib.closing(connect(path)) as connection:
        if connection.execute("SELECT 1 FROM clip WHERE id = ?", (clip,)).fetchone() is None:
            raise InputError(f"{path}: has no clip {clip}")
        connection.execute(
            "INSERT INTO request (content) VALUES (?)",
            (json.dumps({"clip": clip, "kind": kind}),),
        )


def apply_requests(history: History) -> list[tuple[str, int]]:
    """Applies the requests that are waiting, each in a transaction of its own.

    Returns:
      The sections whose known normals have changed, or whose history starts anew.
    """
    changed = []
    for number, content in history.connection.execute(
        "SELECT id, content FROM request ORDER BY id"
    ).fetchall():
        with history.transaction():
            history.connection.execute("DELETE FROM request WHERE id = ?", (number,))
            changed += _apply(history, **json.loads(content))
    return changed


def acknowledged_normals(
    history: History, machine: str, section: int
) -> tuple[Float[np.ndarray, " a"], Float[np.ndarray, " a"]]:
    """Returns scores and distances of the clips that people called normal."""
    rows = history.connection.execute(
        "SELECT score, distance FROM clip JOIN section ON section.id = clip.section "
        "WHERE machine = ? AND section.section = ? AND acknowledged = 'normal' ORDER BY clip.id",
        (machine, section),
    ).fetchall()
    table = np.asarray(rows, np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _apply(history: History, clip: int, kind: str) -> list[tuple[str, int]]:
    query = history.connection.execute
    number, machine, section, name = query(
        "SELECT section.id, machine, section.section, name FROM clip JOIN section "
        "ON section.id = clip.section WHERE clip.id = ?",
        (clip,),
    ).fetchone()
    where: dict[str, Any] = {"machine": machine, "section": section, "clip": clip, "name": name}
    if kind == "maintenance":
        history.expire(machine, section, keep_items=0)
        forget_choice(history, machine, section)
    else:
        query("UPDATE clip SET acknowledged = ? WHERE id = ?", (kind, clip))
        history.set_evidence(machine, section, clip, kind == "normal")
    if kind != "fault":
        query(
            "UPDATE section SET reset = (SELECT max(id) FROM clip WHERE section = ?) WHERE id = ?",
            (number, number),
        )
    history.emit("acknowledged", **where, kind=kind)
    return [(machine, section)]
