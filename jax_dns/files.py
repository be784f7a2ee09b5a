"""Files written whole: a reader finds the old file or the new one, never half of one."""

import contextlib
import io
import json
import os
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
