"""Reads manifest.csv, which names the recording that each clip was cut from.

Clips of one recording are not independent. Where a manifest lies beside the clips, the bootstrap
draws recordings instead of clips.
"""

from pathlib import Path

from jax_dns.errors import InputError
from jax_dns.files import read_csv

COLUMNS = ("clip", "recording")


def read_manifest(path: Path) -> dict[str, str]:
    """Reads a CSV file with the columns clip and recording, among others.

    Returns:
      File name of the clip -> its recording.

    Raises:
      InputError: no such file, a missing column, an incomplete line, or a clip named twice.
    """
    (_, head), *rows = read_csv(path)
    if not set(COLUMNS) <= set(head):
        raise InputError(f"{path}: columns {','.join(head)}, expected clip and recording")
    clip, recording = (head.index(column) for column in COLUMNS)
    recordings: dict[str, str] = {}
    for line, row in rows:
        if len(row) <= max(clip, recording) or not row[clip] or not row[recording]:
            raise InputError(f"{path}: line {line} lacks a clip or a recording")
        if row[clip] in recordings:
            raise InputError(f"{path}: line {line} names {row[clip]} again")
        recordings[row[clip]] = row[recording]
    return recordings


def find_manifest(root: Path, machine: str) -> Path | None:
    """Returns the first <root>/[dev_data/|eval_data/]<machine>/manifest.csv that exists."""
    for folder in ("", "dev_data", "eval_data"):
        path = root / folder / machine / "manifest.csv"
        if path.is_file():
            return path
    return None
