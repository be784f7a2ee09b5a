"""The inbox's files that are dealt with, and where they go."""

import shutil
from pathlib import Path

from jax_dns.files import bytes_digest, write_text
from jax_dns.monitor.history import History
from jax_dns.monitor.inbox import Arrival

QUARANTINE, TAKEN = "quarantine", "clips"  # folders beside the database


def files_done(history: History) -> dict[str, tuple[int, int]]:
    """Returns path in the inbox -> size and time of change, of the files dealt with."""
    rows = history.connection.execute("SELECT path, size, changed FROM file")
    return {path: (size, changed) for path, size, changed in rows}


def record_file(history: History, name: str, arrival: Arrival, outcome: str, reason: str) -> None:
    """Records that a file is dealt with, in the transaction that did so.

    Args:
      history: open.
      name: path in the inbox.
      arrival: size and time of change.
      outcome: "scored", "duplicate" or "quarantined".
      reason: why it isn't scored; the samples' digest of one that is.
    """
    history.connection.execute(
        "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?)",
        (readable(name), arrival.size, arrival.changed, outcome, reason),
    )


def put_away(history: History, inbox: Path, name: str, *, take: bool) -> bool:
    """Moves a file that is dealt with out of the inbox, unless it stays there.

    To be called again for every file when the monitor starts: a kill may come before the move.

    Args:
      history: open.
      inbox: its folder.
      name: path in the inbox.
      take: move scored files and duplicates too, not only those for the quarantine.

    Returns:
      Whether it has left the inbox.
    """
    path = inbox / name
    size, changed, outcome, reason = history.connection.execute(
        "SELECT size, changed, outcome, reason FROM file WHERE path = ?", (readable(name),)
    ).fetchone()
    if path.is_dir() or not (take or outcome == "quarantined"):
        return False
    try:
        status = path.lstat()
    except OSError:
        status = None
    if status is not None and (status.st_size, status.st_mtime_ns) == (size, changed):
        if outcome == "scored":
            target = taken_path(history.folder, name, reason)
            target.parent.mkdir(parents=True, exist_ok=True)
        else:
            number = bytes_digest(f"{readable(name)} {changed}".encode())[:8]
            target = history.folder / QUARANTINE / f"{number}-{path.name}"
            write_text(target.with_name(f"{number}-{readable(path.name)}.txt"), f"{reason}\n")
        shutil.move(path, target)
    history.connection.execute("DELETE FROM file WHERE path = ?", (readable(name),))
    return True


def taken_path(folder: Path, name: str, digest: str) -> Path:
    """Returns where a scored file is kept in the history's folder."""
    return folder / TAKEN / digest[:2] / f"{digest}{Path(name).suffix.lower()}"


def readable(name: str) -> str:
    """Returns a name with those bytes written out that aren't UTF-8."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
