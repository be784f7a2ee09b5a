"""A workdir as a run leaves it, opened again without its config file."""

import json
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from jax_dns import config as defaults
from jax_dns.errors import InputError
from jax_dns.pipeline.index import names
from jax_dns.pipeline.smooth import Folders, RunResults, find


class CompletedRun(NamedTuple):
    """What a run left."""

    config: ConfigDict
    folders: Folders
    found: RunResults


def open_run(workdir: Path) -> CompletedRun:
    """Opens a workdir in which the stages fit and smooth have run.

    Raises:
      InputError: no such folder, or something in it that is missing or can't be read.
    """
    config = read_config(workdir)
    machines = names(config.data.machines) or with_segments(config, workdir)
    folders = {
        seed: {name: seed_folder(config, workdir, seed) / name for name in machines}
        for seed in config.seeds
    }
    found = {
        seed: {name: find(folder) for name, folder in by_name.items()}
        for seed, by_name in folders.items()
    }
    for seed, by_name in found.items():
        for name, one in by_name.items():
            if not one.candidates:
                raise InputError(
                    f"{folders[seed][name]}: no results of its segments.npz (expected the stages "
                    "fit and smooth to have run)"
                )
    return CompletedRun(config, folders, found)


def read_config(workdir: Path) -> ConfigDict:
    """The config that a run wrote down; fields that it didn't know yet have their default.

    Raises:
      InputError: no such file, or not a run's config.
    """
    path = workdir / "config.json"
    try:
        fields = json.loads(path.read_text())
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror} (expected the workdir of a jax-dns run)"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    config = defaults.get_config()
    try:
        with config.unlocked():
            config.update(fields)
        if not config.seeds:
            raise ValueError("no seeds")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a config of jax-dns ({error})") from error
    return config


def seed_folder(config: ConfigDict, workdir: Path, seed: int) -> Path:
    """Where a seed's machine types lie."""
    return workdir if len(config.seeds) == 1 else workdir / f"seed_{seed}"


def with_segments(config: ConfigDict, workdir: Path) -> list[str]:
    """Machine types that have a segments.npz, whoever wrote it."""
    folder = seed_folder(config, workdir, config.seeds[0])
    found = sorted(path.parent.name for path in folder.glob("*/segments.npz"))
    if not found:
        raise InputError(f"{folder}: no <machine>/segments.npz (expected the stage embed's)")
    return found
