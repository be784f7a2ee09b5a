"""What ran: the report's facts and the settings that differ from the paper's."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jax_dns import config as defaults
from jax_dns.pipeline.workdir import read_provenance

PACKAGES = ("jax-dns", "jax", "flax", "optax", "scikit-learn", "python")


def facts(
    config: ConfigDict, workdir: Path, seeds: Sequence[int], machines: Sequence[str]
) -> list[tuple[str, str]]:
    """Returns names and values of what identifies a run; unknown ones are left out."""
    versions = read_provenance(workdir)
    rows = [
        ("Workdir", workdir.name),
        ("Evaluated", _written(workdir / "results.csv")),
        ("Machine types", ", ".join(machines)),
        ("Seeds" if len(seeds) > 1 else "Seed", ", ".join(map(str, seeds))),
        ("Development sections", ", ".join(map(str, config.data.dev_sections))),
        ("Evaluation sections", ", ".join(map(str, config.data.eval_sections))),
        ("Device", str(versions.get("device", ""))),
        ("Versions", ", ".join(f"{p} {versions[p]}" for p in PACKAGES if p in versions)),
    ]
    return [(name, value) for name, value in rows if value]


def changed_fields(config: ConfigDict) -> list[tuple[str, str, str]]:
    """Returns the fields that differ from the paper's settings: name, value, the paper's value."""
    usual = dict(_flat(defaults.get_config().to_dict()))
    return [
        (name, _text(value), _text(usual.get(name, "")))
        for name, value in _flat(config.to_dict())
        if name not in usual or _text(value) != _text(usual[name])
    ]


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value)


def _written(path: Path) -> str:
    """Returns when the file was last written, in UTC; "" if there is none."""
    if not path.is_file():
        return ""
    when = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return f"{when:%Y-%m-%d %H:%M} UTC"
