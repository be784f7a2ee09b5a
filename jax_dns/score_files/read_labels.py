"""Labels for clips whose names carry none: the official files of DCASE 2021 Task 2, or one's own.

ground_truth_<machine>_section_SS[_<source|target>]_test.csv     name,0|1; no header
eval_data_list.csv     a line with a machine type, then published name,name with its label
any other CSV          name,0|1, or machine,name,0|1 where several machine types are scored
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jax_dns.data.clips import UNKNOWN
from jax_dns.data.ground_truth import read_ground_truth
from jax_dns.errors import InputError
from jax_dns.files import read_csv
from jax_dns.score_files.read_scores import FILE_NAME, place_of, read_values
from jax_dns.segments_file import Segments

Labels = dict[str, dict[str, int]]  # machine type -> clip -> 0 normal, 1 anomaly


def with_labels(scores: Mapping[str, Segments], path: str | Path | None) -> dict[str, Segments]:
    """Joins labels by name; those that the clips' own names carry stay.

    Args:
      scores: rows by machine type.
      path: a file in one of the forms above, or a folder searched through for the official files,
        or else for eval_data_list*.csv; None: nothing is joined.

    Returns:
      The rows; clips without a label keep -1.

    Raises:
      InputError: nothing there, a line of another form, a clip with two labels.
    """
    if path is None:
        return dict(scores)
    labels = _read(Path(path), scores)

    def joined(machine: str, rows: Segments) -> Segments:
        found = labels.get(machine, {})
        given = np.asarray([found.get(str(name), UNKNOWN) for name in rows.clip], np.int8)
        return rows._replace(label=np.where(rows.label == UNKNOWN, given, rows.label))

    return {machine: joined(machine, rows) for machine, rows in scores.items()}


def _read(path: Path, scores: Mapping[str, Segments]) -> Labels:
    if path.is_file():
        return _read_file(path, scores)
    if not path.is_dir():
        raise InputError(f"ground truth: no such file or folder {str(path)!r}")
    files = sorted(path.rglob("ground_truth_*.csv")) or sorted(path.rglob("eval_data_list*.csv"))
    if not files:
        raise InputError(f"{path}: holds no ground_truth_*.csv and no eval_data_list*.csv")
    labels: Labels = {}
    for file in files:
        for machine, found in _read_file(file, scores).items():
            known = labels.setdefault(machine, {})
            for name, label in found.items():
                if known.setdefault(name, label) != label:
                    raise InputError(f"{file}: {name} of {machine} has another label elsewhere")
    return labels


def _read_file(path: Path, scores: Mapping[str, Segments]) -> Labels:
    match = FILE_NAME.fullmatch(path.name)
    if match:
        return {match["machine"]: read_ground_truth(path)}
    rows = read_csv(path)
    if len(rows[0][1]) == 1:
        return _read_list(path, rows)
    values = read_values(path, scores, expected="0|1")
    return {m: {name: int(label) for name, label in found.items()} for m, found in values.items()}


def _read_list(path: Path, rows: list[tuple[int, list[str]]]) -> Labels:
    """The evaluator's list of published and labelled names."""
    labels: Labels = {}
    machine = ""
    for line, row in rows:
        if len(row) == 1:
            machine = row[0]
            continue
        label = place_of(row[-1]).label
        if len(row) != 2 or label == UNKNOWN:
            raise InputError(
                f"{path}, line {line}: {','.join(row)!r} (expected published name,labelled name)"
            )
        if labels.setdefault(machine, {}).setdefault(row[0], label) != label:
            raise InputError(f"{path}, line {line}: {row[0]} of {machine} is given both labels")
    return labels
