"""Finds the folders and files that the DCASE layouts share.

root[/dev_data|/eval_data][/raw]/<machine>/<split folder>/*.wav
"""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from jax_dns.data.clips import AUDIO_SUFFIXES, UNKNOWN, Clip, parse_name
from jax_dns.errors import InputError
from jax_dns.files import read_csv

BASES = ("", "dev_data", "eval_data")
UNLABELLED = re.compile(r"section_(?P<section>\d+)(?:_test)?_\d+\.(?:wav|flac)", re.IGNORECASE)
RENAMED = "test_rename"  # the official baselines' copy of the test folders, with labels in names


def machine_folders(root: Path, names: Collection[str]) -> dict[str, list[Path]]:
    """Finds the split folders of each machine type.

    Args:
      root: folder of recordings.
      names: names of split folders. A folder test_rename replaces the test folders beside it.

    Returns:
      Split folders by machine type.
    """
    folders: dict[str, list[Path]] = {}
    for base in (root / half / raw for half in BASES for raw in ("", "raw")):
        for machine in _subfolders(base):
            splits = [f for f in _subfolders(machine) if f.name in names]
            if any(f.name == RENAMED for f in splits):
                splits = [f for f in splits if f.name == RENAMED or "test" not in f.name]
            if splits:
                folders.setdefault(machine.name, []).extend(splits)
    return folders


def choose_machines(available: Iterable[str], machines: Collection[str], root: Path) -> list[str]:
    """Returns the machine types to index, sorted: those asked for, else all.

    Raises:
      InputError: one of them isn't there.
    """
    available = sorted(available)
    for machine in machines:
        if machine not in available:
            raise InputError(
                f"no recordings of {machine!r} under data.root, {root} (expected some of "
                f"{', '.join(available) or 'none'})"
            )
    return sorted(set(machines)) or available


def audio_files(folders: Iterable[Path]) -> list[Path]:
    """Lists the recordings in some folders; hidden files are left out.

    Raises:
      InputError: there are none.
    """
    folders = list(folders)
    paths = [
        path
        for folder in folders
        for path in folder.iterdir()
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    ]
    if not paths:
        names = ", ".join(map(str, folders))
        raise InputError(f"{names}: no .wav or .flac files (expected recordings)")
    return paths


def section_clips(
    root: Path, machines: Collection[str], names: Collection[str], *, unlabelled: bool
) -> Iterator[Clip]:
    """Yields the clips of a tree whose files are named as those of DCASE since 2021.

    Attributes that a name lacks are read from the machine type's attributes_SS.csv.

    Args:
      root: folder of recordings.
      machines: machine types; none means all.
      names: names of split folders.
      unlabelled: accept test clips named section_SS[_test]_NNNN, whose domain isn't known.
    """
    folders = machine_folders(root, names)
    for machine in choose_machines(folders, machines, root):
        attributes: dict[str, str] = {}
        for parent in sorted({folder.parent for folder in folders[machine]}):
            for table in sorted(parent.glob("attributes_*.csv")):
                attributes |= _read_attributes(table)
        for path in audio_files(folders[machine]):
            match = UNLABELLED.fullmatch(path.name) if unlabelled else None
            if match:
                section = int(match["section"])
                clip = Clip(path, path.name, machine, section, "", "test", UNKNOWN)
            else:
                clip = parse_name(path, machine)
            yield clip._replace(attributes=clip.attributes or attributes.get(clip.name, ""))


def _read_attributes(path: Path) -> dict[str, str]:
    """Reads attributes_SS.csv: file name, then pairs of an attribute's name and value."""
    (_, head), *rows = read_csv(path)
    if not head[0].startswith("file"):
        raise InputError(f"{path}, line 1: {','.join(head)!r} (expected file_name,d1p,d1v,...)")
    return {
        row[0].rsplit("/", 1)[-1]: "_".join(field for field in row[1:] if field)
        for _, row in rows
        if row[1:2] != ["noAttribute"]
    }


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
