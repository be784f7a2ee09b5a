"""Files written whole: a reader finds the old file or the new one, never half of one."""

import contextlib
import csv
import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jax_dns.errors import InputError


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` under a temporary name and moves it into place.

    Raises:
      InputError: the folder can't be written.
    """
    temporary = path.with_name(f".{path.name}-{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise InputError(f"{path}: can't be written ({error.strerror})") from error


def write_text(path: Path, text: str) -> None:
    """Writes text in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes JSON that a person can read."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an uncompressed .npz that loads without pickle."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads every array of an .npz, without pickle.

    Raises:
      InputError: no such file, or not a readable .npz.
    """
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise zipfile.BadZipFile("not a zip file")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file (expected an .npz)") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: not a readable .npz without pickled objects ({error})"
        ) from error


def read_csv(path: Path) -> list[tuple[int, list[str]]]:
    """Reads a CSV file in UTF-8.

    Returns:
      Number of the line and its fields, without spaces around them; blank lines are left out.

    Raises:
      InputError: no such file, not a CSV file in UTF-8, or nothing in it.
    """
    try:
        lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        rows = [(lines.line_num, [field.strip() for field in row]) for row in lines]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file (expected a CSV file)") from error
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error})") from error
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise InputError(f"{path}: is empty")
    return rows
