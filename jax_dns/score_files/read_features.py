"""Features of anyone's system, from .npz and .npy files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jax_dns.errors import InputError
from jax_dns.files import read_npz


class Features(NamedTuple):
    """Features of one machine type, a row each."""

    name: Shaped[np.ndarray, " n"] | None  # None: the rows are in the order of the scores
    feature: Float[np.ndarray, "n d"]


def read_features(path: str | Path, machines: Sequence[str]) -> dict[str, Features]:
    """Reads the features of some machine types.

    Args:
      path: an .npz of name [n] and feature [n, d], with machine [n] where there are several machine
        types; or a folder of such files, <machine>.npz or <machine>/segments.npz; or, for one
        machine type, an .npy of [n, d]. `clip` stands for `name` as well, and where there is
        `split` [n] only the rows "test" count, so that a segments.npz will do.
      machines: the machine types wanted; others are left out.

    Returns:
      Features by machine type, float32.

    Raises:
      InputError: nothing there, an array missing or of another type or shape, a value that isn't
        finite, no rows of a machine type.
    """
    path = Path(path)
    if path.is_dir():
        return {
            machine: _read_npz(_of_folder(path, machine), [machine])[machine]
            for machine in machines
        }
    if path.suffix == ".npy":
        if len(machines) > 1:
            raise InputError(
                f"{path}: rows without names, but the scores are of {', '.join(machines)} "
                "(expected an .npz with name, feature and machine)"
            )
        return {machines[0]: Features(None, _checked(path, _load_npy(path), None))}
    return _read_npz(path, machines)


def _of_folder(folder: Path, machine: str) -> Path:
    names = (f"{machine}.npz", f"{machine}/segments.npz")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder}: no features of {machine} (expected {' or '.join(names)})")


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


def _read_npz(path: Path, machines: Sequence[str]) -> dict[str, Features]:
    arrays = read_npz(path)
    if "name" not in arrays and "clip" in arrays:
        arrays["name"] = arrays["clip"]
    for name in ("name", "feature"):
        if name not in arrays:
            found = ", ".join(arrays) or "nothing"
            raise InputError(f"{path}: lacks {name} (expected name and feature, found {found})")
    names = _text(path, "name", arrays["name"], len(np.atleast_1d(arrays["name"])))
    feature = _checked(path, arrays["feature"], names)
    n = len(names)
    used = np.ones(n, bool)
    if "split" in arrays:
        used = _text(path, "split", arrays["split"], n) == "test"
    machine = _text(path, "machine", arrays["machine"], n) if "machine" in arrays else None
    if machine is None:
        if len(machines) > 1:
            raise InputError(
                f"{path}: lacks machine, but the scores are of {', '.join(machines)} "
                "(expected machine [n], or a folder of <machine>.npz)"
            )
        machine = np.full(n, machines[0])
    found = {}
    for wanted in machines:
        rows = used & (machine == wanted)
        if not rows.any():
            there = ", ".join(np.unique(machine[used])) or "nothing"
            raise InputError(f"{path}: no rows of {wanted} (expected some; there is {there})")
        found[wanted] = Features(names[rows], feature[rows])
    return found


def _text(path: Path, name: str, column: np.ndarray, n: int) -> np.ndarray:
    if column.dtype.kind == "S":
        try:
            column = np.char.decode(column, "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: {name} isn't in UTF-8 ({error})") from error
    if column.dtype.kind != "U" or column.shape != (n,):
        raise InputError(
            f"{path}: {name} is {column.dtype} of shape {list(column.shape)}, "
            f"expected [{n}] strings"
        )
    return column


def _checked(path: Path, feature: np.ndarray, names: np.ndarray | None) -> np.ndarray:
    """Features as float32."""
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
