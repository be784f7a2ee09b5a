"""Reads files with one-line errors, writes them whole: old content or new, never half of it."""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import secrets
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jax_dns.errors import InputError

TEMPORARY = re.compile(r"\.jax-dns-[0-9a-f]{16}\.partial")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a Path has one slash of two
DIGEST_BYTES = 16
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
NAME_THEN_COMMA = re.compile(r"\.(?:wav|flac),", re.IGNORECASE)
NAME_THEN_SEPARATOR = re.compile(r"\.(?:wav|flac)[;\t]", re.IGNORECASE)


def bytes_digest(data: bytes | memoryview) -> str:
    """Returns the BLAKE2b digest of some bytes, 128 bits in hexadecimal."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def file_digest(path: Path) -> str:
    """Returns the digest of a file's bytes, as `bytes_digest`; "" where no file can be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(
                file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)
            ).hexdigest()
    except OSError:
        return ""


def local_path(path: str | Path, name: str) -> Path:
    """Returns a path on this machine, with "~" expanded.

    Args:
      path: as the user wrote it.
      name: the option or field that holds it, for messages.

    Raises:
      InputError: empty, a URL such as gs://bucket, or a home folder that isn't known.
    """
    if not str(path):
        raise InputError(f"{name}: empty, expected a path")
    if URL.match(str(path)):
        raise InputError(f"{name}: {path}, expected a local path")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{name}: {path}, expected a path without ~ ({error})") from error


def temporary_path(path: Path) -> Path:
    """Returns an unused name beside `path`, which `remove_temporaries` recognises."""
    return path.with_name(f".jax-dns-{secrets.token_hex(8)}.partial")


def remove_temporaries(folder: Path) -> None:
    """Removes what killed writers left below a folder.

    Only regular files with a name of `temporary_path` are removed, and no link is followed. Call
    it where nothing else writes to the folder: a writer's file would be removed too.

    Raises:
      OSError: a file can't be removed.
    """
    for parent, _, names in os.walk(folder):
        for name in filter(TEMPORARY.fullmatch, names):
            if not (path := Path(parent, name)).is_symlink():
                path.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` under a temporary name and moves it into place; makes the folder.

    Raises:
      InputError: the folder can't be written.
    """
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror})") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes text in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes indented JSON.

    Raises:
      ValueError: a number is not finite, which JSON can't hold.
      InputError: the folder can't be written.
    """
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
    """Reads a CSV file in UTF-8: fields between commas, semicolons or tabs.

    A tab or semicolon that every line has separates the fields, else a comma does. Where it isn't
    a comma, numbers may have a decimal comma: "0,5" is returned as "0.5".

    Returns:
      For each line that isn't blank its number and its fields, without spaces around them.

    Raises:
      InputError: no such file, not a CSV file in UTF-8, nothing in it, or a line with another
        separator than the rest has.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        separator = _separator(text)
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
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
    if separator != ",":
        return [(line, [_decimal_point(field) for field in row]) for line, row in rows]
    for line, row in rows:
        for field in filter(NAME_THEN_SEPARATOR.search, row):
            raise InputError(
                f"{path}, line {line}: {field!r} (expected one separator in all lines: comma, "
                "semicolon or tab)"
            )
    return rows


def _separator(text: str) -> str:
    """Returns the tab or semicolon that every line has, unless recordings' names hold it."""
    for separator in "\t;":
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        rows = [row for row in rows if any(map(str.strip, row))]
        # In "a;b.wav,0" a comma follows the end of the name, so the semicolon is part of it.
        in_names = all(NAME_THEN_COMMA.search(row[-1]) for row in rows)
        if all(len(row) > 1 for row in rows) and not in_names:
            return separator
    return ","


def _decimal_point(field: str) -> str:
    return field.replace(",", ".") if DECIMAL_COMMA.fullmatch(field) else field
