"""What has been done already: a fingerprint of everything that a stage's result depends on.

A stage writes its fingerprint beside its result, last, with the digests of the files it left. The
same again means there is nothing to do; another fingerprint means that the config, the recordings
or an earlier stage have changed, another digest that a file has been damaged.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jax_dns.errors import InputError
from jax_dns.files import write_json

FORMAT_VERSION = 1


def fingerprint(*parts: Any) -> str:
    """A short digest of configs, strings, numbers and lists of them."""

    def plain(value: Any) -> Any:
        if isinstance(value, ConfigDict):
            return value.to_dict()
        raise TypeError(f"fingerprint of {type(value).__name__}")

    text = json.dumps(parts, sort_keys=True, default=plain)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def without(config: ConfigDict, *names: str) -> dict[str, Any]:
    """The config's fields but for some that don't change the stage's result."""
    return {name: value for name, value in config.to_dict().items() if name not in names}


def recorded(folder: Path, stage: str, *, strict: bool = False) -> dict[str, Any]:
    """What the stage's last run wrote down; empty if nothing, or nothing readable.

    Raises:
      InputError: `strict`, and what is there isn't readable.
    """
    path = folder / f"{stage}.json"
    try:
        found = json.loads(path.read_text())
        if found.get("format_version") == FORMAT_VERSION:
            return found
        fault = f"format_version is {found.get('format_version')}, expected {FORMAT_VERSION}"
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        fault = f"not a readable JSON object ({error})"
    if strict:
        raise InputError(f"{path}: {fault}; remove it and run its stage again")
    return {}


def record(folder: Path, stage: str, key: str, *, files: Iterable[Path] = (), **more: Any) -> None:
    """Writes down that the stage is done, and the digest of each file in `folder` that it left."""
    digests = {str(path.relative_to(folder)): digest(path) for path in files}
    written = {"format_version": FORMAT_VERSION, "fingerprint": key, "files": digests}
    write_json(folder / f"{stage}.json", written | more)


def begin(folder: Path, key: str) -> None:
    """Empties the folder of an earlier, different work's pieces; those of this work stay."""
    if not is_done(folder, "begun", key):
        shutil.rmtree(folder, ignore_errors=True)
        record(folder, "begun", key)


def is_done(folder: Path, stage: str, key: str) -> bool:
    """Whether the stage's result still holds, and its files are there as they were written."""
    return recorded(folder, stage).get("fingerprint") == key and is_whole(folder, stage)


def is_whole(folder: Path, stage: str) -> bool:
    """Whether the files that the stage left are there as they were written."""
    files = recorded(folder, stage).get("files", {})
    return all(digest(folder / name) == known for name, known in files.items())


def digest(path: Path) -> str:
    """Digest of a file's bytes; empty where there is none to read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12)).hexdigest()
    except OSError:
        return ""
