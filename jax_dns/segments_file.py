"""segments.npz: scores and features of one machine type, the file between training and the rest.

One row for each segment. Any system can write one: selection, smoothing, tables and figures read
nothing else.

    clip             str, unique within the machine type
    segment          int32; default 0
    section          int32, 0 or more
    domain           "source" or "target"
    split            "train", "valid" or "test"; default "test", and at least one row is "test"
    label            int8: 0 normal, 1 anomaly, -1 unknown
    score            float32, a_G: higher is more anomalous; may be NaN outside "test"
    feature          float32 [n, d], f_D
    format_version   int

All segments of a clip have one section, domain, split and label. Extra arrays of n rows are kept.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jax_dns.errors import InputError
from jax_dns.files import read_npz, write_npz

FORMAT_VERSION = 1
REQUIRED = ("clip", "section", "domain", "label", "score", "feature", "format_version")
AGGREGATES = ("mean", "max", "top")  # how a clip's segment scores become its score
OF_CLIP = ("section", "domain", "split", "label")  # the same for all segments of a clip


class Segments(NamedTuple):
    """Segments of one machine type, one row each."""

    clip: Shaped[np.ndarray, " n"]
    segment: Int[np.ndarray, " n"]
    section: Int[np.ndarray, " n"]
    domain: Shaped[np.ndarray, " n"]
    split: Shaped[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]
    feature: Float[np.ndarray, "n d"]

    def where(self, rows: Shaped[np.ndarray, " ..."]) -> "Segments":
        """Returns some rows, chosen by a mask or by row numbers."""
        return Segments(*(column[rows] for column in self))


class Clips(NamedTuple):
    """The clips that segments come from, in the order of their first segments."""

    name: Shaped[np.ndarray, " c"]
    section: Int[np.ndarray, " c"]
    domain: Shaped[np.ndarray, " c"]
    label: Int[np.ndarray, " c"]
    row: Int[np.ndarray, " n"]  # the clip of each segment


def clips_of(segments: Segments) -> Clips:
    """Returns the clips that the segments come from."""
    names, first, inverse = np.unique(segments.clip, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    first = first[order]
    return Clips(
        segments.clip[first],
        segments.section[first],
        segments.domain[first],
        segments.label[first],
        rank[inverse],
    )


def clip_mean(clips: Clips, values: Float[np.ndarray, "n *d"]) -> Float[np.ndarray, "c *d"]:
    """Returns the mean over each clip's segments, computed in float64."""
    n = len(clips.name)
    counts = np.bincount(clips.row, minlength=n)
    if values.ndim == 1:
        return np.bincount(clips.row, weights=values, minlength=n) / counts
    total = np.zeros((n, *values.shape[1:]))
    np.add.at(total, clips.row, values)
    return total / counts.reshape(-1, *[1] * (values.ndim - 1))


def clip_scores(
    clips: Clips, values: Float[np.ndarray, " n"], aggregate: str = "mean"
) -> Float[np.ndarray, " c"]:
    """Returns clips' scores from their segments', computed in float64.

    Args:
      clips: whose segments they are.
      values: [n] segment scores.
      aggregate: "mean"; "max"; or "top", the mean of a clip's highest fifth, at least one. The last
        two keep a fault visible that is short beside its clip.
    """
    if aggregate == "mean":
        return clip_mean(clips, values)
    n = len(clips.name)
    counts = np.bincount(clips.row, minlength=n)
    kept = np.ones(n, np.int64) if aggregate == "max" else -(-counts // 5)
    order = np.lexsort((-values, clips.row))  # by clip, the highest first
    clip = clips.row[order]
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[clip]
    highest = order[rank < kept[clip]]
    return np.bincount(clips.row[highest], weights=values[highest], minlength=n) / kept


def write_segments(path: Path, segments: Segments, **extra: Shaped[np.ndarray, "n ..."]) -> None:
    """Writes the file; `extra` arrays have one row for each segment too."""
    write_npz(path, segments._asdict() | extra | {"format_version": np.asarray(FORMAT_VERSION)})


def read_segments(path: str | Path) -> tuple[Segments, dict[str, np.ndarray]]:
    """Reads and checks a segments.npz.

    Args:
      path: of the file.

    Returns:
      Its segments and its extra arrays.

    Raises:
      InputError: unreadable, of another format version, an array that is missing or of the wrong
        type, length or content, segments of a clip that contradict each other, or no test rows.
    """
    path = Path(path)
    arrays = read_npz(path)
    missing = [name for name in REQUIRED if name not in arrays]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)} (expected {', '.join(REQUIRED)})")
    version = arrays.pop("format_version")
    if version.shape != () or int(version) != FORMAT_VERSION:
        raise InputError(f"{path}: format_version is {version}, expected {FORMAT_VERSION}")
    n = len(arrays["clip"]) if arrays["clip"].ndim else 0
    arrays.setdefault("segment", np.zeros(n, np.int32))
    arrays.setdefault("split", np.full(n, "test"))
    for name, column in arrays.items():
        if column.ndim < 1 or len(column) != n:
            raise InputError(
                f"{path}: {name} has shape {list(column.shape)}, expected {n} rows as clip has"
            )
    segments = Segments(
        **{name: _checked(path, name, arrays.pop(name)) for name in Segments._fields}
    )
    _check_values(path, segments)
    return segments, arrays


def _checked(path: Path, name: str, column: np.ndarray) -> np.ndarray:
    """Returns a column in the type that the format gives it."""
    kinds: dict[str, tuple[str, Any, int]] = {
        "clip": ("U", None, 1),
        "segment": ("iu", np.int32, 1),
        "section": ("iu", np.int32, 1),
        "domain": ("U", None, 1),
        "split": ("U", None, 1),
        "label": ("iu", np.int8, 1),
        "score": ("f", np.float32, 1),
        "feature": ("f", np.float32, 2),
    }
    kind, dtype, rank = kinds[name]
    if column.dtype.kind not in kind or column.ndim != rank:
        raise InputError(
            f"{path}: {name} is {column.ndim}-dimensional {column.dtype}, expected {rank} "
            f"dimension{'s' * (rank > 1)} of {dtype.__name__ if dtype else 'str'}"
        )
    return column if dtype is None else column.astype(dtype)


def _check_values(path: Path, segments: Segments) -> None:
    """Raises InputError for a value that the format doesn't allow."""
    allowed = {
        "domain": ("source", "target"),
        "split": ("train", "valid", "test"),
        "label": (0, 1, -1),
    }
    for name, values in allowed.items():
        bad = ~np.isin(getattr(segments, name), values)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                f"{path}: {name} of row {row} is {getattr(segments, name)[row].item()!r}, "
                f"expected one of {', '.join(map(str, values))}"
            )
    if (segments.section < 0).any():
        row = int((segments.section < 0).argmax())
        raise InputError(
            f"{path}: section of row {row} is {segments.section[row]}, expected 0 or more"
        )
    test = segments.split == "test"
    if not test.any():
        raise InputError(f"{path}: no row has the split test, expected the test clips' segments")
    for name, column in (("score", segments.score), ("feature", segments.feature)):
        finite = np.isfinite(column.reshape(len(column), -1)).all(1)
        bad = ~finite & (test | (name == "feature"))
        if bad.any():
            raise InputError(f"{path}: {name} of row {int(bad.argmax())} isn't finite")
    _check_clips(path, segments)


def _check_clips(path: Path, segments: Segments) -> None:
    """Raises InputError for a clip whose segments have different sections, labels, ..."""
    _, first, clip = np.unique(segments.clip, return_index=True, return_inverse=True)
    for name in OF_CLIP:
        column = getattr(segments, name)
        differs = column != column[first][clip]
        if differs.any():
            row = int(differs.argmax())
            other = int(first[clip[row]])
            values = (
                f"{column[other].item()!r} in row {other} and {column[row].item()!r} in row {row}"
            )
            raise InputError(
                f"{path}: {name} of {segments.clip[row]} is {values}, expected one {name} a clip"
            )
