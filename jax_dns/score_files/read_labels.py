"""Labels and domains of clips whose names don't carry them.

    ground_truth_<machine>_section_SS[_<source|target>]_test.csv     name,0|1; no head
    eval_data_list.csv     a line with a machine type, then published name,name with its label
    any other CSV          name,0|1, or machine,name,0|1 if several machine types are scored

The evaluators of 2022 and later keep such files in folders of their own: in `ground_truth_domain`
0 is the source and 1 the target domain; `ground_truth_attributes` is not read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jax_dns.data.clips import UNKNOWN
from jax_dns.errors import InputError
from jax_dns.files import read_csv
from jax_dns.score_files.clip_names import OFFICIAL, match_names, no_match, parse_clip_name
from jax_dns.score_files.read_scores import read_values
from jax_dns.segments_file import Segments

ByClip = dict[str, dict[str, int]]  # machine type -> clip -> value
DOMAIN_FOLDER, ATTRIBUTE_FOLDER = "ground_truth_domain", "ground_truth_attributes"
DOMAINS = ("source", "target")


class Truth(NamedTuple):
    """What ground-truth files say."""

    label: ByClip  # 0 normal, 1 anomaly
    domain: ByClip  # 0 source, 1 target


class Labelled(NamedTuple):
    """Scores with labels, and how the names matched."""

    scores: dict[str, Segments]
    matches: dict[str, str]  # machine type -> such as "200 of 400 clips"


def with_labels(scores: Mapping[str, Segments], path: str | Path | None) -> Labelled:
    """Joins labels, and domains if there are any, by the clips' names.

    Args:
      scores: rows by machine type.
      path: a file in one of the forms above, or a folder searched for the official files, or else
        for eval_data_list*.csv; None: nothing is joined.

    Returns:
      The rows, clips without a label with -1, and for each machine type how many of its clips the
      files name.

    Raises:
      InputError: nothing there, a line of another form, a clip with two labels, a label that
        contradicts the clip's name, or not a single name that matches.
    """
    if path is None:
        return Labelled(dict(scores), {})
    path = Path(path)
    truth = _read(path, scores)
    joined, matches = {}, {}
    for machine, rows in scores.items():
        label, match = _look_up(path, machine, rows, truth.label, rows.label, "label")
        matches[machine] = match
        if machine in truth.domain:
            named = [DOMAINS.index(d) if d else UNKNOWN for d in rows.domain.tolist()]
            number, _ = _look_up(path, machine, rows, truth.domain, np.asarray(named), "domain")
            names = np.asarray([*DOMAINS, ""])  # -1 is the last
            rows = rows._replace(domain=names[number])
        joined[machine] = rows._replace(label=label.astype(np.int8))
    if all(match.startswith("0 of ") for match in matches.values()):
        known = {name for by_name in truth.label.values() for name in by_name}
        names = {name for rows in scores.values() for name in rows.clip.tolist()}
        if names & known:
            raise InputError(
                f"{path}: labels of {', '.join(truth.label)}, but the scores are of "
                f"{', '.join(scores)} (expected the same machine type; --machine names it)"
            )
        raise InputError(f"{path}: {no_match(names, known, 'the labels are of')}")
    return Labelled(joined, matches)


def _look_up(
    path: Path, machine: str, rows: Segments, truth: ByClip, known: np.ndarray, what: str
) -> tuple[np.ndarray, str]:
    """Returns each row's value, from the name or the ground truth, and how the names matched."""
    by_name = truth.get(machine, {})
    names = rows.clip.tolist()
    match = match_names(names, by_name)
    by_key = {match.key(name): value for name, value in by_name.items()}
    given = np.asarray([by_key.get(match.key(name), UNKNOWN) for name in names])
    differ = (given != UNKNOWN) & (known != UNKNOWN) & (given != known)
    if differ.any():
        row = int(differ.argmax())
        raise InputError(
            f"{path}: {what} of {names[row]} of {machine} is {given[row]}, "
            f"expected {known[row]} as the name says"
        )
    return np.where(known == UNKNOWN, given, known), match.describe("clips")


def _read(path: Path, scores: Mapping[str, Segments]) -> Truth:
    truth = Truth({}, {})
    if path.is_file():
        _add(truth.label, path, _read_file(path, scores))
        return truth
    if not path.is_dir():
        raise InputError(f"ground truth: no such file or folder {str(path)!r}")
    files = [
        file
        for file in sorted(path.rglob("ground_truth_*.csv"))
        if file.parent.name != ATTRIBUTE_FOLDER
    ] or sorted(path.rglob("eval_data_list*.csv"))
    if not files:
        raise InputError(f"{path}: holds no ground_truth_*.csv and no eval_data_list*.csv")
    for file in files:
        is_domain = file.parent.name == DOMAIN_FOLDER
        _add(truth.domain if is_domain else truth.label, file, _read_file(file, scores))
    return truth


def _add(truth: ByClip, path: Path, found: ByClip) -> None:
    for machine, values in found.items():
        known = truth.setdefault(machine, {})
        for name, value in values.items():
            if known.setdefault(name, value) != value:
                raise InputError(f"{path}: {name} of {machine} has another label elsewhere")


def _read_file(path: Path, scores: Mapping[str, Segments]) -> ByClip:
    if match := OFFICIAL.fullmatch(path.name):
        machine = match["machine"]
        values = read_values(path, [machine], expected="0|1")
        return {machine: {name: int(label) for name, label in values[machine].items()}}
    rows = read_csv(path)
    if len(rows[0][1]) == 1:
        return _read_list(path, rows)
    values = read_values(path, list(scores), expected="0|1")
    return {m: {name: int(label) for name, label in found.items()} for m, found in values.items()}


def _read_list(path: Path, rows: list[tuple[int, list[str]]]) -> ByClip:
    """Reads the evaluator's list of published and labelled names."""
    labels: ByClip = {}
    machine = ""
    for line, row in rows:
        if len(row) == 1:
            machine = row[0]
            continue
        # The list of 2020 has the label in a third column too.
        labelled, label = len(row) == 3 and row[2], parse_clip_name(row[1]).label
        if len(row) > 3 or label == UNKNOWN or (labelled and labelled != str(label)):
            raise InputError(
                f"{path}, line {line}: {','.join(row)!r} (expected published name,labelled name)"
            )
        if labels.setdefault(machine, {}).setdefault(row[0], label) != label:
            raise InputError(f"{path}, line {line}: {row[0]} of {machine} is given both labels")
    return labels
