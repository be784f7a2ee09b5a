"""Clip records from a folder in the DCASE 2021 Task 2 layout.

    {root}[/dev_data|/eval_data]/<machine>/{train,source_test,target_test}/
        section_SS_<source|target>_<train|test>[_<normal|anomaly>]_NNNN[_attributes].wav

Machine names are whatever folders there are. Evaluation clips come without a label in their name;
labels are joined from ground-truth files `ground_truth_<machine>_section_SS_<domain>_test.csv`
with lines `name,0|1`.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from jax_dns.errors import InputError, first_three
from jax_dns.files import read_csv

NORMAL, ANOMALY, UNKNOWN = 0, 1, -1
SPLIT_FOLDERS = ("train", "source_test", "target_test", "test")
AUDIO_SUFFIXES = (".wav", ".flac")
NAME = re.compile(
    r"section_(?P<section>\d+)_(?P<domain>source|target)_(?P<split>train|test)"
    r"(?:_(?P<label>normal|anomaly))?_(?P<index>\d+)(?:_(?P<attributes>.+))?\.(?:wav|flac)",
    re.IGNORECASE,
)
EXPECTED_NAME = "section_SS_<source|target>_<train|test>[_<normal|anomaly>]_NNNN[_attributes].wav"
LAST_SECTION = 2**31 - 1  # as segments.npz holds
LABELS = {"normal": NORMAL, "anomaly": ANOMALY, None: UNKNOWN}


class Clip(NamedTuple):
    """One recording: where it lies and what its name and the ground truth say of it."""

    path: Path
    name: str  # the file's name, unique within its machine
    machine: str
    section: int  # the product ID
    domain: str  # "source" or "target"
    split: str  # "train" or "test"
    label: int  # 0 normal, 1 anomaly, -1 unknown


def index_clips(
    root: str | Path,
    *,
    machines: Iterable[str] = (),
    ground_truth: str | Path | None = None,
) -> dict[str, list[Clip]]:
    """Finds every clip under `root`.

    Args:
      root: folder in the layout above: dev_data and eval_data side by side, or one flat root.
      machines: the machine types to index; none means all that are there.
      ground_truth: folder with ground-truth CSV files, searched through; by default `root`'s own
        CSV files and those of its folders named ground_truth*.

    Returns:
      Clips by machine type, both in the order of their names.

    Raises:
      InputError: no such folder or machine, a name that doesn't parse, two clips of one name, a
        ground-truth file that contradicts a clip's name or another file.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"data.root: {root} is not a folder (expected the DCASE 2021 layout)")
    folders = _machine_folders(root)
    wanted = sorted(set(machines) or folders)
    for machine in wanted:
        if machine not in folders:
            found = ", ".join(sorted(folders)) or "none"
            raise InputError(
                f"no recordings of {machine!r} under data.root, {root}; found: {found}"
            )
    if not wanted:
        raise InputError(
            f"data.root: no machine folders under {root} "
            f"(expected <machine>/{{{','.join(SPLIT_FOLDERS[:3])}}}/*.wav)"
        )
    for machine in wanted:
        _check_utf8(folders[machine][0])
    clips = {machine: _machine_clips(machine, folders[machine]) for machine in wanted}
    truth = _ground_truth_files(root, ground_truth)
    return {machine: _with_labels(found, truth) for machine, found in clips.items()}


def parse_name(path: Path, machine: str) -> Clip:
    """Reads section, domain, split and label off a file's name.

    Raises:
      InputError: the name is not in the DCASE 2021 scheme.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        raise InputError(f"{path}: name does not parse (expected {EXPECTED_NAME})")
    _check_utf8(path)
    if int(match["section"]) > LAST_SECTION:
        raise InputError(f"{path}: section {match['section']}, expected 0 to {LAST_SECTION}")
    label = match["label"] and match["label"].lower()
    split = match["split"].lower()
    if split == "train" and label == "anomaly":
        raise InputError(f"{path}: a training clip is named anomaly (expected normal sound only)")
    return Clip(
        path,
        path.name,
        machine,
        int(match["section"]),
        match["domain"].lower(),
        split,
        NORMAL if split == "train" else LABELS[label],
    )


def read_ground_truth(path: Path) -> dict[str, int]:
    """Reads one official ground-truth file, lines of `name,0|1` without a header.

    Raises:
      InputError: a line of another form, or a name with two different labels.
    """
    labels: dict[str, int] = {}
    for line, row in read_csv(path):
        if len(row) != 2 or row[1] not in ("0", "1"):
            raise InputError(f"{path}, line {line}: {','.join(row)!r} (expected name,0 or name,1)")
        name, label = row[0], int(row[1])
        if labels.setdefault(name, label) != label:
            raise InputError(f"{path}, line {line}: {name} is given both labels, 0 and 1")
    return labels


def _check_utf8(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        name = os.fsencode(path).decode(errors="backslashreplace")
        raise InputError(f"{name}: not a name in UTF-8") from error


def _machine_folders(root: Path) -> dict[str, list[Path]]:
    """Machine type -> its folders of clips, over the flat root, dev_data and eval_data."""
    folders: dict[str, list[Path]] = {}
    for base in (root, root / "dev_data", root / "eval_data"):
        for split in _subfolders(base):
            if split.name in SPLIT_FOLDERS:
                folders.setdefault(split.parent.name, []).append(split)
    return folders


def _subfolders(base: Path) -> Iterator[Path]:
    """Folders two levels below `base`: <machine>/<split>."""
    if base.is_dir():
        for machine in sorted(p for p in base.iterdir() if p.is_dir()):
            yield from sorted(p for p in machine.iterdir() if p.is_dir())


def _machine_clips(machine: str, folders: list[Path]) -> list[Clip]:
    by_name: dict[str, Clip] = {}
    for folder in folders:
        for path in folder.iterdir():
            if path.suffix.lower() not in AUDIO_SUFFIXES or path.name.startswith("."):
                continue
            clip = parse_name(path, machine)
            if clip.name in by_name:
                raise InputError(
                    f"{path}: a clip of this name is also at {by_name[clip.name].path} "
                    "(expected unique names within a machine)"
                )
            by_name[clip.name] = clip
    if not by_name:
        where = ", ".join(str(folder) for folder in folders)
        raise InputError(f"{where}: no .wav or .flac files (expected clips of {machine})")
    return [by_name[name] for name in sorted(by_name)]


def _ground_truth_files(root: Path, ground_truth: str | Path | None) -> dict[str, Path]:
    """Ground-truth files by name."""
    if ground_truth:
        folder = Path(ground_truth)
        if not folder.is_dir():
            raise InputError(f"data.ground_truth: {folder} is not a folder")
        files = folder.rglob("ground_truth_*.csv")
    else:
        files = [
            *root.glob("ground_truth_*.csv"),
            *root.glob("ground_truth*/**/ground_truth_*.csv"),
        ]
    found: dict[str, Path] = {}
    for path in sorted(files):
        other = found.setdefault(path.name, path)
        if other is not path and read_ground_truth(other) != read_ground_truth(path):
            raise InputError(f"{path}: gives other labels than {other} (expected one such file)")
    return found


def _with_labels(clips: list[Clip], truth: dict[str, Path]) -> list[Clip]:
    """Joins labels from the ground truth to clips whose names carry none."""
    tables: dict[Path, dict[str, int]] = {}
    lacking: dict[Path, list[str]] = {}

    def label(clip: Clip) -> int:
        key = f"ground_truth_{clip.machine}_section_{clip.section:02d}_{clip.domain}_test.csv"
        if clip.split == "train" or key not in truth:
            return clip.label
        path = truth[key]
        if path not in tables:
            tables[path] = read_ground_truth(path)
        given = tables[path].get(clip.name, clip.label)
        if clip.label not in (UNKNOWN, given):
            raise InputError(f"{path}: {clip.name} is {given}, by its name {clip.label}")
        if given == UNKNOWN:
            lacking.setdefault(path, []).append(clip.name)
        return given

    labelled = [clip._replace(label=label(clip)) for clip in clips]
    for path, missing in lacking.items():
        tqdm.write(f"{path}: no line for {first_three(missing)}; counted as unlabelled")
    return labelled
