"""Features that another model computed: BEATs, EAT, OpenL3, PANNs, or any other.

One .npz file a machine type, read without pickle:

    name     str [n], the clips' names as in segments.npz
    segment  integers [n], from 0; optional: without them a clip's feature serves all its segments
    feature  floating [n, d]

Several feature spaces can be concatenated, each scaled to unit variance in all.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from jax_dns.errors import InputError, first_three
from jax_dns.files import file_digest, read_npz
from jax_dns.types import Facts, StoredFeatures

MACHINE = "{machine}"  # stands for the machine type in the path


def precomputed(facts: Facts, *, path: str = "", label: str = "Precomputed") -> StoredFeatures:
    """Builds the component.

    Args:
      facts: of the data; not used.
      path: of the file; "{machine}" in it stands for the machine type. Several, separated by
        commas, are concatenated; each is centred and divided by the root of its total variance
        over the file first, so that all have the same say in a distance.
      label: the method's name in tables.

    Returns:
      The features. Nothing is trained.

    Raises:
      InputError: an empty path.
    """
    if not path:
        raise InputError("path: empty, expected an .npz of features, such as beats/{machine}.npz")

    def files(machine: str) -> list[Path]:
        return [Path(part.strip().replace(MACHINE, machine)) for part in path.split(",")]

    def lookup(
        machine: str, clips: Shaped[np.ndarray, " n"], segments: Int[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n d"]:
        paths = files(machine)
        spaces = [find_features(p, clips, segments, scale=len(paths) > 1) for p in paths]
        return np.concatenate(spaces, axis=1)

    def digest(machine: str) -> str:
        for file in files(machine):
            if not file.is_file():
                raise InputError(f"{file}: no such file (expected the features of {machine})")
        return " ".join(map(file_digest, files(machine)))

    return StoredFeatures(label, lookup, digest)


def find_features(
    path: Path,
    clips: Shaped[np.ndarray, " n"],
    segments: Int[np.ndarray, " n"],
    *,
    scale: bool = False,
) -> Float[np.ndarray, "n d"]:
    """Reads the features of some segments.

    Args:
      path: of the file.
      clips: [n] names.
      segments: [n] numbers.
      scale: centre the features and divide them by the root of their total variance in the file.

    Returns:
      [n, d] float32.

    Raises:
      InputError: unreadable, an array that is missing or of the wrong shape, values that aren't
        finite, a segment twice, or a segment that the file lacks.
    """
    arrays = read_npz(path)
    missing = [name for name in ("name", "feature") if name not in arrays]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)} (expected name, feature)")
    names, features = arrays["name"], arrays["feature"]
    numbers = arrays.get("segment")
    n = len(names) if names.ndim == 1 else -1
    if features.ndim != 2 or len(features) != n or (numbers is not None and len(numbers) != n):
        raise InputError(
            f"{path}: feature has shape {list(features.shape)} and name {list(names.shape)}, "
            "expected [n, d] and [n], and [n] of segment"
        )
    if not np.isfinite(features).all():
        row = int((~np.isfinite(features).all(1)).argmax())
        raise InputError(f"{path}: feature of row {row} isn't finite")
    if numbers is None:
        numbers, segments = np.zeros(n, int), np.zeros(len(clips), int)
    keys = list(zip(names.tolist(), numbers.tolist()))
    rows = dict(zip(keys, range(n)))
    if len(rows) < n:
        twice = next(key for row, key in enumerate(keys) if rows[key] != row)
        raise InputError(f"{path}: {twice[0]}, segment {twice[1]}, occurs twice (expected once)")
    sought = list(zip(clips.tolist(), segments.tolist()))
    absent = [key for key in sought if key not in rows]
    if absent:
        lost = list(dict.fromkeys(clip for clip, _ in absent))
        raise InputError(
            f"{path}: lacks {len(absent)} of {len(sought)} segments, of {first_three(lost)} "
            "(expected name and segment of each)"
        )
    if scale:
        features = features - features.mean(0)
        features = features / max(np.sqrt((features**2).sum(1).mean()), 1e-12)
    return features[[rows[key] for key in sought]].astype(np.float32)
