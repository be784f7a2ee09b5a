"""Joins labels, domains and attributes from the evaluators' files to clips named without them.

    ground_truth_<machine>_section_SS[_<source|target>]_test.csv
        name,0|1: a clip's label; in a folder ground_truth_domain* its domain, 0 for source
        name,full name: in a folder ground_truth_attributes*
    eval_data_list*.csv
        a line with a machine type, then lines of name,full name[,0|1]

These are the files of the official evaluators of 2020 to 2025. No file has a header.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from jax_dns.data.clips import LABELS, NAME, UNKNOWN, Clip, known_attributes
from jax_dns.errors import InputError, first_three
from jax_dns.files import read_csv

FILE = re.compile(
    r"ground_truth_(?P<machine>.+)_section_\d+(?:_(?:source|target))?_test\.csv", re.IGNORECASE
)
FULL_NAME_2020 = re.compile(r"(?P<label>normal|anomaly)_id_\d+_\d+\.wav")
DOMAINS = {0: "source", 1: "target"}


class Truth(NamedTuple):
    """What the files tell of one clip."""

    label: int = UNKNOWN
    domain: str = ""
    attributes: str = ""
    path: Path = Path()  # the file that gives the label, or else the domain


Truths = dict[str, dict[str, Truth]]  # machine type -> name -> truth


def join_ground_truth(
    clips: dict[str, list[Clip]],
    root: Path,
    folder: str | Path | None,
    *,
    log: Callable[[str], object],
) -> dict[str, list[Clip]]:
    """Adds what the ground truth tells of test clips; logs how many names matched.

    Args:
      clips: clips by machine type.
      root: folder of recordings; its own CSV files and those of its folders ground_truth* and
        *evaluator* are read where `folder` is None.
      folder: folder of ground truth, searched recursively, such as a copy of an evaluator.
      log: called with one line for each machine type that has a ground truth.

    Returns:
      The clips, with labels, domains and attributes where they are known.

    Raises:
      InputError: no such folder; a file of another form; files that contradict each other or a
        clip's name; no name that matches; `folder` has nothing on any of the machine types.
    """
    truths = read_truths(_files(root, folder), clips)
    if folder and not truths:
        raise InputError(
            f"data.ground_truth: {folder} has no ground_truth_<machine>_section_SS*_test.csv and "
            f"no eval_data_list*.csv for {', '.join(clips)}"
        )
    return {
        machine: _join(machine, rows, truths[machine], log) if machine in truths else rows
        for machine, rows in clips.items()
    }


def read_ground_truth(path: Path) -> dict[str, int]:
    """Reads one ground-truth file, lines of `name,0|1` without a header.

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


def _files(root: Path, folder: str | Path | None) -> list[Path]:
    names = ("ground_truth_*.csv", "eval_data_list*.csv")
    if folder:
        if not Path(folder).is_dir():
            raise InputError(f"data.ground_truth: {folder} is not a folder")
        files = [path for name in names for path in Path(folder).rglob(name)]
    else:
        evaluators = ("*evaluator*/", "*evaluator*/ground_truth*/")
        folders = ("", "eval_data/", "ground_truth*/**/", *evaluators)
        files = [path for f in folders for name in names for path in root.glob(f + name)]
    return sorted(set(files))


def read_truths(files: Iterable[Path], machines: Collection[str]) -> Truths:
    """Reads and merges official files, as far as they concern some machine types.

    A file whose name starts neither with ground_truth_ nor with eval_data_list is read as a list.

    Raises:
      InputError: a line of another form, or files that contradict each other.
    """
    truths: Truths = {}
    for path in files:
        for machine, name, truth in _read_file(path, machines):
            names = truths.setdefault(machine, {})
            names[name] = _merge(name, names.get(name, Truth()), truth)
    return truths


def _read_file(path: Path, machines: Collection[str]) -> Iterator[tuple[str, str, Truth]]:
    """Yields machine type, clip's name and truth for each line of a file."""
    match, kind = FILE.fullmatch(path.name), path.parent.name.lower()
    if match is None:
        if not path.name.startswith("ground_truth_"):
            yield from (row for row in _read_list(path) if row[0] in machines)
    elif match["machine"] not in machines:
        return
    elif kind.startswith("ground_truth_attributes"):
        for line, row in read_csv(path):
            yield match["machine"], row[0], _of_full_name(path, line, row)
    else:
        is_domain = kind.startswith("ground_truth_domain")
        for name, value in read_ground_truth(path).items():
            truth = (
                Truth(domain=DOMAINS[value], path=path) if is_domain else Truth(value, path=path)
            )
            yield match["machine"], name, truth


def _read_list(path: Path) -> Iterator[tuple[str, str, Truth]]:
    machine = ""
    for line, row in read_csv(path):
        if len([field for field in row if field]) == 1:
            machine = row[0]
            continue
        yield machine, row[0], _of_full_name(path, line, row)


def _of_full_name(path: Path, line: int, row: list[str]) -> Truth:
    """Reads a line of name,full name[,label]."""
    full = row[1] if len(row) > 1 else ""
    full = full if full.lower().endswith(".wav") else f"{full}.wav"
    match, earlier = NAME.fullmatch(full), FULL_NAME_2020.fullmatch(full)
    word = (match or earlier)["label"] if match or earlier else None
    label = LABELS[word and word.lower()]
    if label == UNKNOWN or len(row) > 3 or (len(row) == 3 and row[2] not in ("", str(label))):
        raise InputError(
            f"{path}, line {line}: {','.join(row)!r} (expected name,full name with its label)"
        )
    if earlier:
        return Truth(label, path=path)
    return Truth(label, match["domain"].lower(), known_attributes(match["attributes"]), path)


def _merge(name: str, a: Truth, b: Truth) -> Truth:
    if UNKNOWN not in (a.label, b.label) and a.label != b.label:
        raise InputError(
            f"{b.path}: gives other labels than {a.path} ({name}; expected one such file)"
        )
    if a.domain and b.domain and a.domain != b.domain:
        raise InputError(f"{b.path}: {name} is of domain {b.domain}, elsewhere {a.domain}")
    known = a if a.label != UNKNOWN else b
    return Truth(known.label, a.domain or b.domain, a.attributes or b.attributes, known.path)


def _join(
    machine: str, clips: list[Clip], truths: dict[str, Truth], log: Callable[[str], object]
) -> list[Clip]:
    rows, matched, unlabelled = [], 0, []
    for clip in clips:
        truth = truths.get(clip.name) if clip.split == "test" else None
        if truth is not None:
            matched += 1
            if UNKNOWN not in (clip.label, truth.label) and clip.label != truth.label:
                raise InputError(
                    f"{truth.path}: {clip.name} is {truth.label}, by its name {clip.label}"
                )
            clip = clip._replace(
                label=clip.label if truth.label == UNKNOWN else truth.label,
                domain=clip.domain or truth.domain,
                attributes=clip.attributes or truth.attributes,
            )
        if clip.split == "test" and clip.label == UNKNOWN:
            unlabelled.append(clip.name)
        rows.append(clip)
    if unlabelled and not matched:
        raise InputError(
            f"ground truth of {machine}: none of {len(truths)} names is that of a test clip "
            f"(it names {next(iter(truths))}; unlabelled clips are {first_three(unlabelled)})"
        )
    if matched:
        log(f"ground truth of {machine}: {matched} of {len(truths)} names are those of test clips")
    if unlabelled:
        log(f"ground truth of {machine}: no line for {first_three(unlabelled)}; unlabelled")
    return rows
