"""A run's folder: made, checked, and opened again without its config file."""

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict

from jax_dns import config as defaults
from jax_dns.errors import InputError
from jax_dns.files import local_path, write_json, write_text
from jax_dns.pipeline.index import split_commas
from jax_dns.pipeline.method_results import Folders, RunResults, load_results

FORMAT_VERSION = 2  # of a workdir; 1 had other config fields and folders
PACKAGES = ("jax-dns", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "scikit-learn")


class CompletedRun(NamedTuple):
    """A run's config, folders and results."""

    config: ConfigDict
    folders: Folders
    results: RunResults


def make_workdir(workdir: str | Path) -> Path:
    """Makes a run's folder.

    Args:
      workdir: its path; "~" is the user's home.

    Returns:
      Its absolute path.

    Raises:
      InputError: it can't be made, or its path has a scheme such as gs://, or an unknown home.
    """
    path = local_path(workdir, "workdir").absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"workdir: {path} can't be made ({error.strerror})") from error
    return path


def check_format(workdir: Path) -> None:
    """Refuses a folder that an earlier version of the project made; nothing in it is changed.

    Raises:
      InputError: names the folder and both formats.
    """
    try:
        version = json.loads((workdir / "versions.json").read_text())["format_version"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        version = "unreadable"
    if version != FORMAT_VERSION:
        raise InputError(
            f"{workdir}: made by an earlier version of jax-dns (format {version}, expected "
            f"{FORMAT_VERSION}); choose another workdir"
        )


def write_provenance(config: ConfigDict, workdir: Path, command: str) -> None:
    """Writes the config, the versions of the packages and the command line."""
    write_text(workdir / "config.json", config.to_json(indent=1) + "\n")
    versions = {name: _version(name) for name in PACKAGES}
    versions |= {"python": platform.python_version(), "device": jax.devices()[0].device_kind}
    versions["format_version"] = FORMAT_VERSION
    if command:
        versions["command"] = command
    write_json(workdir / "versions.json", versions)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that isn't installed
        return "not installed"


def read_provenance(workdir: Path) -> dict[str, Any]:
    """Reads what `write_provenance` wrote of versions, device and command; {} without it."""
    try:
        return dict(json.loads((workdir / "versions.json").read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def open_run(workdir: Path) -> CompletedRun:
    """Opens a workdir in which the stages fit and smooth have run.

    Raises:
      InputError: no such folder, or something in it that is missing or can't be read.
    """
    config = read_config(workdir)
    machines = split_commas(config.data.machines) or machines_with_segments(config, workdir)
    folders = machine_folders(config, workdir, machines)
    results = {
        seed: {name: load_results(folder) for name, folder in by_machine.items()}
        for seed, by_machine in folders.items()
    }
    for seed, by_machine in results.items():
        for name, one in by_machine.items():
            if not one.results:
                raise InputError(
                    f"{folders[seed][name]}: no results of its segments.npz (expected the stages "
                    "fit and smooth to have run)"
                )
    return CompletedRun(config, folders, results)


def read_config(workdir: Path) -> ConfigDict:
    """Reads the config that a run wrote; fields that it didn't know have their default.

    Raises:
      InputError: no such file, or not a config of this version.
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
    check_format(workdir)
    config = defaults.get_config()
    try:
        with config.unlocked():
            config.update(fields)
            for kind in defaults.MAKERS:  # a section is its component's, not the default's
                config[kind] = ConfigDict(fields[kind])
        if not config.seeds:
            raise ValueError("no seeds")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a config of jax-dns ({error})") from error
    return config


def earlier_config(workdir: Path) -> ConfigDict | None:
    """Reads the config of the workdir's last run; None where it has none that can be read."""
    try:
        return read_config(workdir)
    except InputError:
        return None


def machine_folders(config: ConfigDict, workdir: Path, machines: list[str]) -> Folders:
    """Returns the folder of each seed's machine types."""
    return {
        seed: {name: seed_folder(config, workdir, seed) / name for name in machines}
        for seed in config.seeds
    }


def seed_folder(config: ConfigDict, workdir: Path, seed: int) -> Path:
    """Returns the folder that holds a seed's machine types."""
    return workdir if len(config.seeds) == 1 else workdir / f"seed_{seed}"


def machines_with_segments(config: ConfigDict, workdir: Path) -> list[str]:
    """Lists the machine types that have a segments.npz, no matter who wrote it.

    Raises:
      InputError: there is none.
    """
    folder = seed_folder(config, workdir, config.seeds[0])
    machines = sorted(path.parent.name for path in folder.glob("*/segments.npz"))
    if not machines:
        raise InputError(f"{folder}: no <machine>/segments.npz (expected the stage embed's)")
    return machines
