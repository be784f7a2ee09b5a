"""manifest.csv: which recording each clip was cut from.

Clips of one recording aren't independent; where a manifest beside the recordings names them,
intervals draw recordings instead of clips.
"""

from pathlib import Path

from jax_dns.errors import InputError
from jax_dns.files import read_csv

COLUMNS = ("clip", "recording")


def read_manifest(path: Path) -> dict[str, str]:
    """Reads a CSV file with the columns clip and recording, among others.

    Returns:
      Name of the clip's file -> its recording.

    Raises:
      InputError: no such file, a column that is missing, a short line, or a clip named twice.
    """
    (_, head), *rows = read_csv(path)
    if not set(COLUMNS) <= set(head):
        raise InputError(f"{path}: columns {','.join(head)}, expected clip and recording")
    clip, recording = (head.index(column) for column in COLUMNS)
    found: dict[str, str] = {}
    for line, row in rows:
        if len(row) <= max(clip, recording) or not row[clip] or not row[recording]:
            raise InputError(f"{path}: line {line} lacks a clip or a recording")
        if row[clip] in found:
            raise InputError(f"{path}: line {line} names {row[clip]} again")
        found[row[clip]] = row[recording]
    return found


def find_manifest(root: Path, machine: str) -> Path | None:
    """<root>/[dev_data/|eval_data/]<machine>/manifest.csv, the first there is."""
    for part in ("", "dev_data", "eval_data"):
        path = root / part / machine / "manifest.csv"
        if path.is_file():
            return path
    return None
