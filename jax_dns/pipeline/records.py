"""What has been done already: a fingerprint of everything that a stage's result depends on.

A stage writes its fingerprint beside its result, last. The same fingerprint again means there is
nothing to do; another means that the config, the recordings or an earlier stage have changed.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jax_dns.files import write_json


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


def recorded(folder: Path, stage: str) -> dict[str, Any]:
    """What the stage's last run wrote down; empty if nothing, or nothing readable."""
    try:
        return json.loads((folder / f"{stage}.json").read_text())
    except (OSError, ValueError):
        return {}


def record(folder: Path, stage: str, key: str, **more: Any) -> None:
    """Writes down that the stage is done."""
    write_json(folder / f"{stage}.json", {"fingerprint": key, **more})


def begin(folder: Path, key: str) -> None:
    """Empties the folder of an earlier, different work's pieces; those of this work stay."""
    if not is_done(folder, "begun", key):
        shutil.rmtree(folder, ignore_errors=True)
        record(folder, "begun", key)


def is_done(folder: Path, stage: str, key: str) -> bool:
    """Whether the stage's result is there and still holds."""
    return recorded(folder, stage).get("fingerprint") == key
