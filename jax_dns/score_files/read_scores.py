"""Anomaly scores of anyone's system: a table of names and scores, or DCASE's official files.

    anomaly_score_<machine>_id_<ID>.csv                               2020
    anomaly_score_<machine>_section_SS_<source|target>_test.csv       2021
    anomaly_score_<machine>_section_SS.csv                            2022
    anomaly_score_<machine>_section_SS_test.csv                       2023 to 2025

Official files hold lines of name,score without a head. What a file's name doesn't say of section
and domain is read from the clips' names, as far as they follow a DCASE scheme. A table with a head
may say it in columns of its own: machine, section, domain and label, as scores.csv of a run does.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jax_dns.data.clips import UNKNOWN
from jax_dns.errors import InputError, NoNameKeyError, first_three
from jax_dns.files import read_csv
from jax_dns.score_files.clip_names import (
    EXPECTED_FILE,
    OFFICIAL,
    ClipName,
    naming_year,
    parse_clip_name,
)
from jax_dns.score_files.read_columns import (
    NAMES,
    OTHERS,
    Columns,
    numbers,
    read_columns,
)
from jax_dns.segments_file import Segments

STATED = {  # columns that a table may have: the form of a value, in words, and what stands for none
    "section": (r"-1|\d{1,9}", "a whole number", UNKNOWN),
    "domain": ("source|target|", "source or target", ""),
    "label": ("-1|0|1", "0, 1, or -1 for unknown", UNKNOWN),
}


def read_scores(
    path: str | Path, *, machine: str = "", column: str = "", name_key: str = ""
) -> dict[str, Segments]:
    """Reads the scores of one or several machine types.

    Args:
      path: a CSV or Parquet file, or a folder of official score files; its other files are ignored.
      machine: machine type of a file; by default its column `machine`, else what its official name
        says, else its stem.
      column: name of the column of scores; needed if a table has several.
      name_key: name of the column of clips; by default name, clip, file, ...

    Returns:
      Rows by machine type, in the order of the files. A name that occurs again is a further segment
      of that clip. Features are [n, 0]; scores float64; section, domain and label are -1, "" and
      -1 where nothing says them.

    Raises:
      InputError: nothing there, a table without names or scores, a score that isn't a finite
        number, a clip in two files of its machine type, a name that contradicts its file's.
    """
    path = Path(path)
    parts: dict[str, list[Segments]] = {}
    for file in _score_files(path) if path.is_dir() else [path]:
        for name, rows in _read_file(file, machine, column, name_key).items():
            parts.setdefault(name, []).append(rows)
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


def official_naming(path: Path) -> int:
    """Returns the year whose names the official files at `path` have; 2021 for other files."""
    files = sorted(path.glob("anomaly_score_*.csv")) if path.is_dir() else [path]
    matches = [match for match in (OFFICIAL.fullmatch(file.name) for file in files) if match]
    return naming_year(matches[0]) if matches else 2021


def read_values(path: Path, machines: Sequence[str], *, expected: str) -> dict[str, dict[str, str]]:
    """Reads one value for each clip, such as its group.

    Args:
      path: CSV of name,value, or machine,name,value if there are several machine types. A first
        line that calls the names name, clip, file, ... is a head.
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
        complete = len(row) == form.count(",") + 1 and all(row)
        if i == 0 and complete and row[-2].lower() in NAMES:
            continue
        if not complete or (expected == "0|1" and row[-1] not in ("0", "1")):
            raise InputError(f"{path}, line {line}: {','.join(row)!r} (expected {form})")
        machine = row[0] if len(machines) > 1 else machines[0]
        if values.setdefault(machine, {}).setdefault(row[-2], row[-1]) != row[-1]:
            raise InputError(f"{path}, line {line}: {row[-2]} is given two values")
    return values


def _score_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("anomaly_score_*.csv"))
    for file in files:
        if not OFFICIAL.fullmatch(file.name):
            raise InputError(f"{file}: name does not parse (expected {EXPECTED_FILE})")
    if not files:
        deeper = sorted({str(f.parent.name) for f in folder.glob("*/anomaly_score_*.csv")})
        hint = f"; there are some in its folders {', '.join(deeper)}" if deeper else ""
        raise InputError(f"{folder}: holds no {EXPECTED_FILE}{hint}")
    return files


def _read_file(path: Path, machine: str, column: str, name_key: str) -> dict[str, Segments]:
    """Reads one file's rows by machine type."""
    table = read_columns(path, name_key=name_key)
    names_in, scores_in = _score_columns(table, column, name_key)
    if not table.where:
        raise InputError(f"{path}: holds no scores (expected rows of name and score)")
    names, scores = table.text(names_in), numbers(table, scores_in, named=names_in)
    match = OFFICIAL.fullmatch(path.name)
    places = [_place(path, match, name) for name in names.tolist()]
    section, domain, label = (
        _stated(table, column, np.asarray(values))
        for column, values in zip(ClipName._fields, zip(*places))
    )
    n = len(names)
    rows = Segments(
        names,
        np.zeros(n, np.int32),
        section,
        domain,
        np.full(n, "test"),
        label.astype(np.int8),
        scores,
        np.zeros((n, 0)),
    )
    if table.has_head and "machine" in table.columns and not machine:
        machines = table.text("machine")
        return {name: rows.where(machines == name) for name in dict.fromkeys(machines.tolist())}
    return {machine or (match["machine"] if match else path.stem): rows}


def _score_columns(table: Columns, column: str, name_key: str) -> tuple[str, str]:
    """Returns the columns of names and of scores."""
    if not table.has_head:
        if column or name_key:
            error = NoNameKeyError if name_key else InputError
            raise error(f"{table.path}: no head with {name_key or column} in the first line")
        if len(table.columns) != 2:
            first = ",".join(values[0] for values in table.columns.values())
            raise InputError(
                f"{table.path}, {table.where[0]}: {first!r} (expected name,score; a head names one "
                f"of its columns {', '.join(NAMES[:3])})"
            )
        return "0", "1"
    names = table.name_column(name_key)
    others = [name for name in table.columns if name != names and name not in OTHERS]
    if column:
        if column not in others:
            raise InputError(
                f"{table.path}: no column {column!r} of scores (there is {', '.join(others)})"
            )
        return names, column
    if len(others) != 1:
        raise InputError(
            f"{table.path}: columns {', '.join(others) or 'of scores: none'} "
            "(expected one of scores; --column names it)"
        )
    return names, others[0]


def _place(path: Path, match: re.Match | None, name: str) -> ClipName:
    """Returns what a clip's name and its official file's name say."""
    clip = parse_clip_name(name)
    if match is None:
        return clip
    section, domain = int(match["section"]), match["domain"] or clip.domain
    if clip.section not in (UNKNOWN, section) or clip.domain not in ("", domain):
        raise InputError(
            f"{path}: {name} is named for section {clip.section:02d}"
            f"{clip.domain and f', {clip.domain}'} (expected those of the file's name)"
        )
    return ClipName(section, domain, clip.label)


def _stated(table: Columns, column: str, from_names: np.ndarray) -> np.ndarray:
    """Returns section, domain or label as a column of the table states it, else as the names do.

    Raises:
      InputError: a value of another form, or one that contradicts the clip's name.
    """
    if not table.has_head or column not in table.columns:
        return from_names
    pattern, expected, unknown = STATED[column]
    values = []
    for row, (value, named) in enumerate(zip(table.columns[column].tolist(), from_names.tolist())):
        place = f"{table.path}, {table.where[row]}: {column} is {str(value)!r}"
        if not re.fullmatch(pattern, str(value)):
            raise InputError(f"{place} (expected {expected})")
        values.append(type(unknown)(value))
        if named != unknown and values[-1] != named:
            raise InputError(f"{place} (expected {named}, which the clip's name says)")
    return np.asarray(values)
