"""segments.npz: what stands between training and everything after.

One row a segment. Anyone's system can write one; selection, smoothing, tables and figures read
nothing else.

    clip str, unique per machine     segment int32 (default 0)     section int32
    domain "source" or "target"      split "train", "valid" or "test" (default "test")
    label int8: 0 normal, 1 anomaly, -1 unknown
    score float32, a_G, higher = more anomalous; NaN allowed off-test
    feature float32 [n, d]           format_version int

Extra arrays of n rows are kept.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jax_dns.errors import InputError
from jax_dns.files import read_npz, write_npz

FORMAT_VERSION = 1
REQUIRED = ("clip", "section", "domain", "label", "score", "feature", "format_version")


class Segments(NamedTuple):
    """All segments of one machine type, a row each."""

    clip: Shaped[np.ndarray, " n"]
    segment: Int[np.ndarray, " n"]
    section: Int[np.ndarray, " n"]
    domain: Shaped[np.ndarray, " n"]
    split: Shaped[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]
    feature: Float[np.ndarray, "n d"]

    def where(self, rows: Shaped[np.ndarray, " ..."]) -> "Segments":
        """The chosen rows: a mask or row numbers."""
        return Segments(*(column[rows] for column in self))


class Clips(NamedTuple):
    """Segments brought together by clip, in the order of the clips' first segments."""

    name: Shaped[np.ndarray, " c"]
    section: Int[np.ndarray, " c"]
    domain: Shaped[np.ndarray, " c"]
    label: Int[np.ndarray, " c"]
    row: Int[np.ndarray, " n"]  # the clip of each segment


def clips_of(segments: Segments) -> Clips:
    """The clips that the segments come from."""
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
    """Averages over each clip's segments, in float64."""
    n = len(clips.name)
    counts = np.bincount(clips.row, minlength=n)
    if values.ndim == 1:
        return np.bincount(clips.row, weights=values, minlength=n) / counts
    total = np.zeros((n, *values.shape[1:]))
    np.add.at(total, clips.row, values)
    return total / counts.reshape(-1, *[1] * (values.ndim - 1))


def write_segments(path: Path, segments: Segments, **extra: Shaped[np.ndarray, "n ..."]) -> None:
    """Writes the file whole; `extra` arrays have a row a segment too."""
    write_npz(path, segments._asdict() | extra | {"format_version": np.asarray(FORMAT_VERSION)})


def read_segments(path: str | Path) -> tuple[Segments, dict[str, np.ndarray]]:
    """Reads and checks a file.

    Args:
      path: of an .npz file.

    Returns:
      Its segments and its extra arrays.

    Raises:
      InputError: unreadable, of another format version, or an array that is missing or of the wrong
        type, length or content; names it.
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
    """One column in the file's type for it."""
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
                f"{path}: {name} of row {row} is {getattr(segments, name)[row]!r}, "
                f"expected one of {', '.join(map(str, values))}"
            )
    test = segments.split == "test"
    for name, column in (("score", segments.score), ("feature", segments.feature)):
        finite = np.isfinite(column.reshape(len(column), -1)).all(1)
        bad = ~finite & (test | (name == "feature"))
        if bad.any():
            raise InputError(f"{path}: {name} of row {int(bad.argmax())} isn't finite")
