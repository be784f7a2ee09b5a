"""Features of anyone's system: .npz, .npy, CSV and Parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jax_dns.errors import InputError, NoNameKeyError
from jax_dns.files import read_npz
from jax_dns.score_files.read_columns import NAMES, OTHERS, PARQUET, numbers, read_columns

TABLES = (".csv", *PARQUET)


class Features(NamedTuple):
    """Features of one machine type, one row for each clip or segment."""

    name: Shaped[np.ndarray, " n"] | None  # None: the rows are in the order of the scores
    feature: Float[np.ndarray, "n d"]


class _Arrays(NamedTuple):
    """What a file of any form holds."""

    name: Shaped[np.ndarray, " n"] | None
    feature: Shaped[np.ndarray, "n ..."]
    machine: Shaped[np.ndarray, " n"] | None
    split: Shaped[np.ndarray, " n"] | None


def read_features(
    path: str | Path, machines: Sequence[str], *, name_key: str = "", feature_key: str = ""
) -> dict[str, Features]:
    """Reads the features of some machine types.

    Args:
      path: one of
        an .npz of name [n] and feature [n, d];
        a CSV or Parquet file of a column of names and a column for each dimension of the feature,
        or, in Parquet, one column of lists;
        an .npy of [n, d], rows in the order of the scores, for one machine type;
        a folder of such files, <machine>.npz (.csv, .parquet) or <machine>/segments.npz.
        Files with several machine types have an array or column `machine` too. If there is
        `split`, only the rows "test" count, so that a segments.npz can be read.
      machines: the machine types wanted; others are left out.
      name_key: the array or column of names; by default name, clip, file, ...
      feature_key: the array, or the column of lists, or the beginning of the columns' names; by
        default `feature`, or in a table every column that isn't of another kind.

    Returns:
      Features by machine type, float32.

    Raises:
      InputError: nothing there, an array missing or of another type or shape, a value that isn't
        finite, no rows of a machine type.
    """
    path = Path(path)
    if path.is_dir():
        return {
            machine: _read_file(_of_folder(path, machine), [machine], name_key, feature_key)[
                machine
            ]
            for machine in machines
        }
    return _read_file(path, machines, name_key, feature_key)


def _of_folder(folder: Path, machine: str) -> Path:
    names = [f"{machine}{suffix}" for suffix in (".npz", *TABLES)] + [f"{machine}/segments.npz"]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder}: no features of {machine} (expected {', '.join(names)})")


def _read_file(
    path: Path, machines: Sequence[str], name_key: str, feature_key: str
) -> dict[str, Features]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        if len(machines) > 1:
            raise InputError(
                f"{path}: rows without names, but the scores are of {', '.join(machines)} "
                "(expected an .npz with name, feature and machine)"
            )
        arrays = _Arrays(None, _load_npy(path), None, None)
    elif suffix in TABLES:
        arrays = _read_table(path, name_key, feature_key)
    else:
        arrays = _read_arrays(path, name_key, feature_key)
    feature = _checked(path, arrays.feature, arrays.name)
    machine = arrays.machine
    if machine is None:
        if len(machines) > 1:
            raise InputError(
                f"{path}: lacks machine, but the scores are of {', '.join(machines)} "
                "(expected machine [n] beside name and feature, or a folder of <machine>.npz)"
            )
        machine = np.full(len(feature), machines[0])
    used = np.ones(len(feature), bool) if arrays.split is None else arrays.split == "test"
    out = {}
    for name in machines:
        rows = used & (machine == name)
        if not rows.any():
            there = ", ".join(np.unique(machine[used])) or "nothing"
            raise InputError(f"{path}: no rows of {name} (expected some; there is {there})")
        out[name] = Features(None if arrays.name is None else arrays.name[rows], feature[rows])
    return out


def _load_npy(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as stream:
            array = np.load(stream, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file (expected an .npy)") from error
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: not a readable .npy without pickled objects ({error})"
        ) from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: is an .npz under another name (expected an .npy)")
    return array


def _read_arrays(path: Path, name_key: str, feature_key: str) -> _Arrays:
    arrays = read_npz(path)
    names = next((key for key in ((name_key,) if name_key else NAMES) if key in arrays), "")
    feature = feature_key or "feature"
    for key, wanted in ((names, name_key or "name"), (feature, feature)):
        if key not in arrays:
            raise (NoNameKeyError if name_key and not names else InputError)(
                f"{path}: lacks {wanted} (expected arrays {name_key or 'name'} and {feature}; "
                f"there is {', '.join(arrays) or 'nothing'}; --name-key, --feature-key name them)"
            )
    n = len(np.atleast_1d(arrays[names]))
    texts = {
        key: _text(path, key, arrays[key], n) if key in arrays else None
        for key in (names, "machine", "split")
    }
    return _Arrays(texts[names], arrays[feature], texts["machine"], texts["split"])


def _read_table(path: Path, name_key: str, feature_key: str) -> _Arrays:
    table = read_columns(path, name_key=name_key)
    names = table.name_column(name_key)
    others = [key for key in table.columns if key != names and key not in OTHERS]
    if feature_key in table.columns:
        others = [feature_key]
    elif feature_key:
        others = [key for key in others if key.startswith(feature_key)]
    elif "feature" in others:
        others = ["feature"]
    if not others:
        raise InputError(
            f"{path}: no columns {feature_key or 'of features'} (there is "
            f"{', '.join(table.columns)})"
        )
    if len(others) == 1 and table.columns[others[0]].ndim == 2:
        feature = table.columns[others[0]]
    else:
        feature = np.stack([numbers(table, key, named=names) for key in others], 1)
    kept = {key: table.text(key) if key in table.columns else None for key in ("machine", "split")}
    return _Arrays(table.text(names), feature, kept["machine"], kept["split"])


def _text(path: Path, name: str, column: np.ndarray, n: int) -> np.ndarray:
    """Returns an array of n names as text."""
    if column.dtype.kind == "S":
        try:
            column = np.char.decode(column, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: {name} isn't in UTF-8 ({error})") from error
    if column.dtype.kind in "iu":
        column = column.astype(str)
    if column.dtype.kind != "U" or column.shape != (n,):
        raise InputError(
            f"{path}: {name} is {column.dtype} of shape {list(column.shape)}, "
            f"expected [{n}] strings"
        )
    return column


def _checked(path: Path, feature: np.ndarray, names: np.ndarray | None) -> np.ndarray:
    """Returns features as float32, or raises InputError."""
    if feature.ndim != 2 or feature.dtype.kind not in "fiu" or 0 in feature.shape:
        raise InputError(
            f"{path}: feature is {feature.dtype} of shape {list(feature.shape)}, "
            "expected [n, d] numbers, at least one row and one column"
        )
    if names is not None and len(names) != len(feature):
        raise InputError(f"{path}: {len(names)} names and {len(feature)} rows of feature")
    with np.errstate(over="ignore"):
        feature = feature.astype(np.float32)
    finite = np.isfinite(feature).all(1)
    if not finite.all():
        row = int((~finite).argmax())
        of = "" if names is None else f" ({names[row]})"
        value = feature[row][~np.isfinite(feature[row])][0]
        raise InputError(f"{path}: feature of row {row}{of} holds {value}, expected finite values")
    return feature
