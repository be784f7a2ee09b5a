"""Stamps: a stage's fingerprint of everything that its result depends on.

A stage writes its stamp beside its result, last, with the digests of the files it left. An equal
fingerprint means that nothing has to be done again. A different one means that the config, the
recordings or an earlier stage changed; a different digest, that a file was damaged.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jax_dns.errors import InputError
from jax_dns.files import bytes_digest, file_digest, write_json

FORMAT_VERSION = 1
BEGUN = "begun"  # the stamp of work that may be unfinished


def fingerprint(*parts: Any) -> str:
    """Digests configs, strings, numbers and lists of them."""

    def plain(value: Any) -> Any:
        if hasattr(value, "to_dict"):  # a ConfigDict
            return value.to_dict()
        raise TypeError(f"fingerprint of {type(value).__name__}")

    text = json.dumps(parts, sort_keys=True, default=plain)
    return bytes_digest(text.encode())


def without_fields(config: Any, *names: str) -> dict[str, Any]:
    """Returns a config's fields except those named."""
    return {name: value for name, value in config.to_dict().items() if name not in names}


def read_stamp(folder: Path, stage: str, *, strict: bool = False) -> dict[str, Any]:
    """Reads a stage's stamp; an absent or unreadable one is empty.

    Args:
      folder: of the stage's result.
      stage: its name.
      strict: raise where there is an unreadable one.

    Raises:
      InputError: an unreadable stamp, where `strict`.
    """
    path = folder / f"{stage}.json"
    try:
        stamp = json.loads(path.read_text())
        if stamp.get("format_version") == FORMAT_VERSION:
            return stamp
        fault = f"format_version is {stamp.get('format_version')}, expected {FORMAT_VERSION}"
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        fault = f"not a readable JSON object ({error})"
    if strict:
        raise InputError(f"{path}: {fault}; remove it and run its stage again")
    return {}


def write_stamp(
    folder: Path, stage: str, key: str, *, files: Iterable[Path] = (), **entries: Any
) -> None:
    """Writes that a stage is done.

    Args:
      folder: of the stage's result.
      stage: its name.
      key: the fingerprint.
      files: the files that it left in `folder`; their digests are written.
      **entries: further entries of the stamp.
    """
    digests = {str(path.relative_to(folder)): file_digest(path) for path in files}
    stamp = {"format_version": FORMAT_VERSION, "fingerprint": key, "files": digests}
    write_json(folder / f"{stage}.json", stamp | entries)


def reset_if_stale(folder: Path, key: str) -> None:
    """Empties a folder that holds parts of work with another fingerprint."""
    if not is_done(folder, BEGUN, key):
        shutil.rmtree(folder, ignore_errors=True)
        write_stamp(folder, BEGUN, key)


def is_done(folder: Path, stage: str, key: str) -> bool:
    """Returns whether a stage's result is current and its files are as they were written."""
    return read_stamp(folder, stage).get("fingerprint") == key and is_whole(folder, stage)


def is_whole(folder: Path, stage: str) -> bool:
    """Returns whether the files that a stage left are as they were written."""
    files = read_stamp(folder, stage).get("files", {})
    return all(file_digest(folder / name) == value for name, value in files.items())
