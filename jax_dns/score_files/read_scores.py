"""Anomaly scores of anyone's system: a CSV of name,score or the DCASE 2021 evaluator's files.

    anomaly_score_<machine>_section_SS[_<source|target>]_test.csv     name,score; no header

A CSV of its own may have a header. What the file's name doesn't say of section and domain, the
clips' names do, as far as they follow the DCASE scheme (see `data.clips`).
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jax_dns.data.clips import LABELS, NAME, UNKNOWN
from jax_dns.errors import InputError, first_three
from jax_dns.files import read_csv
from jax_dns.segments_file import Segments

HEADS = ("name", "clip", "file", "filename")
FILE_NAME = re.compile(
    r"(?P<kind>anomaly_score|ground_truth)_(?P<machine>.+)_section_(?P<section>\d+)"
    r"(?:_(?P<domain>source|target))?_test\.csv"
)
EXPECTED_FILE = "anomaly_score_<machine>_section_SS_<source|target>_test.csv"


class Place(NamedTuple):
    """What a name says of a clip."""

    section: int  # UNKNOWN, -1, where it says nothing
    domain: str  # "source", "target" or ""
    label: int  # 0 normal, 1 anomaly, -1 unknown


def place_of(name: str) -> Place:
    """Section, domain and label in a clip's name, with or without folder and suffix."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    match = NAME.fullmatch(base) or NAME.fullmatch(f"{base}.wav")
    if match:
        label = match["label"] and match["label"].lower()
        return Place(int(match["section"]), match["domain"].lower(), LABELS[label])
    # Evaluation clips since DCASE 2022 name no domain: section_00_0000.wav.
    match = re.match(r"section_(\d{1,9})_", base)
    return Place(int(match[1]) if match else UNKNOWN, "", UNKNOWN)


def file_name(kind: str, machine: str, section: int, domain: str) -> str:
    """The official name of a file of scores ("anomaly_score") or labels ("ground_truth")."""
    return f"{kind}_{machine}_section_{section:02d}{domain and f'_{domain}'}_test.csv"


def read_scores(path: str | Path, *, machine: str = "") -> dict[str, Segments]:
    """Reads the scores of one or several machine types.

    Args:
      path: a CSV file, or a folder of official score files; its other files are ignored.
      machine: machine type of a CSV file; by default what its official name says, or its stem.

    Returns:
      Rows by machine type, in the order of the files. A name that occurs again is a further segment
      of that clip. Features are [n, 0]; scores float64; section, domain and label as the names
      have them, -1, "" and -1 elsewhere.

    Raises:
      InputError: nothing there, a file that isn't name,score, a score that isn't finite, a clip in
        two files of its machine type, a name that contradicts its file's.
    """
    path = Path(path)
    parts: dict[str, list[Segments]] = {}
    for file in _score_files(path) if path.is_dir() else [path]:
        match = FILE_NAME.fullmatch(file.name)
        found = _read_file(file, match)
        parts.setdefault(machine or (match["machine"] if match else file.stem), []).append(found)
    scores = {}
    for name, found in parts.items():
        clips = np.concatenate([np.unique(rows.clip) for rows in found])
        values, counts = np.unique(clips, return_counts=True)
        if counts.max() > 1:
            raise InputError(
                f"{path}: {first_three(values[counts > 1])} of {name} in more than one file "
                "(expected names unique within a machine type)"
            )
        scores[name] = Segments(*(np.concatenate(column) for column in zip(*found)))
    return scores


def read_values(
    path: Path, machines: Mapping[str, Segments], *, expected: str
) -> dict[str, dict[str, str]]:
    """Reads something said of each clip, such as its group.

    Args:
      path: CSV of name,value, or machine,name,value where there are several machine types. A first
        line that calls the names name, clip, file or filename is a header.
      machines: the machine types that the clips may be of.
      expected: "0|1", or "group" for any text.

    Returns:
      Machine type -> clip -> value.

    Raises:
      InputError: a line of another form, or a clip with two values.
    """
    form = f"name,{expected}" if len(machines) == 1 else f"machine,name,{expected}"
    values: dict[str, dict[str, str]] = {machine: {} for machine in machines}
    for i, (line, row) in enumerate(read_csv(path)):
        good = len(row) == form.count(",") + 1 and all(row)
        if i == 0 and good and row[-2].lower() in HEADS:
            continue
        if not good or (expected == "0|1" and row[-1] not in ("0", "1")):
            raise InputError(f"{path}, line {line}: {','.join(row)!r} (expected {form})")
        machine = row[0] if len(machines) > 1 else next(iter(machines))
        if values.setdefault(machine, {}).setdefault(row[-2], row[-1]) != row[-1]:
            raise InputError(f"{path}, line {line}: {row[-2]} is given two values")
    return values


def _score_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("anomaly_score_*.csv"))
    for file in files:
        if not FILE_NAME.fullmatch(file.name):
            raise InputError(f"{file}: name does not parse (expected {EXPECTED_FILE})")
    if not files:
        deeper = sorted({str(f.parent.name) for f in folder.glob("*/anomaly_score_*.csv")})
        hint = f"; there are some in its folders {', '.join(deeper)}" if deeper else ""
        raise InputError(f"{folder}: holds no {EXPECTED_FILE}{hint}")
    return files


def _read_file(path: Path, match: re.Match | None) -> Segments:
    """One file's rows."""
    names, scores = [], []
    for i, (line, row) in enumerate(read_csv(path)):
        if len(row) != 2 or not row[0]:
            raise InputError(f"{path}, line {line}: {','.join(row)!r} (expected name,score)")
        try:
            score = float(row[1])
        except ValueError as error:
            if i == 0 and place_of(row[0]).section == UNKNOWN:
                continue  # a header
            raise InputError(
                f"{path}, line {line}: the score of {row[0]} is {row[1]!r} (expected a number)"
            ) from error
        if not math.isfinite(score):
            raise InputError(
                f"{path}, line {line}: the score of {row[0]} is {row[1]} (expected a finite number)"
            )
        names.append(row[0])
        scores.append(score)
    if not names:
        raise InputError(f"{path}: holds no scores (expected lines of name,score)")
    places = [place_of(name) for name in names]
    if match:
        places = [_within(path, match, name, place) for name, place in zip(names, places)]
    section, domain, label = zip(*places)
    n = len(names)
    return Segments(
        np.asarray(names),
        np.zeros(n, np.int32),
        np.asarray(section),
        np.asarray(domain),
        np.full(n, "test"),
        np.asarray(label, np.int8),
        np.asarray(scores),
        np.zeros((n, 0)),
    )


def _within(path: Path, match: re.Match, name: str, place: Place) -> Place:
    """A clip's place, where its file's name says it too."""
    section, domain = int(match["section"]), match["domain"] or place.domain
    if place.section not in (UNKNOWN, section) or place.domain not in ("", domain):
        raise InputError(
            f"{path}: {name} is named for section {place.section:02d}"
            f"{place.domain and f', {place.domain}'} (expected those of the file's name)"
        )
    return Place(section, domain, place.label)
