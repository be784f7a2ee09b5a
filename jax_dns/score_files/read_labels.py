"""Labels and domains of clips whose names don't carry them.

The official evaluators' files are read as `data.ground_truth` describes them. Any other CSV holds
lines of name,0|1, or machine,name,0|1 if several machine types are scored.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jax_dns.data.clips import UNKNOWN
from jax_dns.data.ground_truth import Truth, Truths, read_truths
from jax_dns.errors import InputError
from jax_dns.files import read_csv
from jax_dns.score_files.clip_names import OFFICIAL, Match, match_names, no_match
from jax_dns.score_files.read_scores import read_values
from jax_dns.segments_file import Segments

OFFICIAL_FILES = ("ground_truth_*.csv", "eval_data_list*.csv")


class Labelled(NamedTuple):
    """Scores with labels, and how the names matched."""

    scores: dict[str, Segments]
    matches: dict[str, str]  # machine type -> such as "200 of 400 clips"


def with_labels(scores: Mapping[str, Segments], path: str | Path | None) -> Labelled:
    """Joins labels, and domains if there are any, by the clips' names.

    Args:
      scores: rows by machine type.
      path: a CSV file, or a folder searched for official files; None: nothing is joined.

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
    truths = _read(path, scores)
    if not any(machine in truths for machine in scores):
        raise InputError(
            f"{path}: no labels of {', '.join(scores)} (expected this machine type; --machine "
            "names that of a single file of scores)"
        )
    matches = {m: match_names(rows.clip.tolist(), truths.get(m, {})) for m, rows in scores.items()}
    if not any(match.matched for match in matches.values()):
        names = [name for rows in scores.values() for name in rows.clip.tolist()]
        known = [name for by_name in truths.values() for name in by_name]
        raise InputError(f"{path}: {no_match(names, known, 'the labels are of')}")
    joined = {
        machine: _join(path, machine, rows, truths.get(machine, {}), matches[machine])
        for machine, rows in scores.items()
    }
    return Labelled(joined, {m: match.describe("clips") for m, match in matches.items()})


def _join(
    path: Path, machine: str, rows: Segments, truths: Mapping[str, Truth], match: Match
) -> Segments:
    """Returns one machine type's rows with labels and domains."""
    by_key = {match.key(name): truth for name, truth in truths.items()}
    labels, domains = rows.label.tolist(), rows.domain.tolist()
    for row, name in enumerate(rows.clip.tolist()):
        truth = by_key.get(match.key(name), Truth())
        for what, known, given, unknown in (
            ("label", labels[row], truth.label, UNKNOWN),
            ("domain", domains[row], truth.domain, ""),
        ):
            if unknown not in (known, given) and known != given:
                raise InputError(
                    f"{path}: {what} of {name} of {machine} is {given}, expected {known} as the "
                    "name says"
                )
        labels[row] = truth.label if labels[row] == UNKNOWN else labels[row]
        domains[row] = domains[row] or truth.domain
    return rows._replace(label=np.asarray(labels, np.int8), domain=np.asarray(domains))


def _read(path: Path, scores: Mapping[str, Segments]) -> Truths:
    if path.is_dir():
        files = sorted(file for pattern in OFFICIAL_FILES for file in path.rglob(pattern))
        if not files:
            raise InputError(f"{path}: holds no {' and no '.join(OFFICIAL_FILES)}")
        return read_truths(files, scores)
    if not path.is_file():
        raise InputError(f"ground truth: no such file or folder {str(path)!r}")
    if OFFICIAL.fullmatch(path.name) or len(read_csv(path)[0][1]) == 1:
        return read_truths([path], scores)
    values = read_values(path, list(scores), expected="0|1")
    return {
        machine: {name: Truth(int(label), path=path) for name, label in by_name.items()}
        for machine, by_name in values.items()
    }
