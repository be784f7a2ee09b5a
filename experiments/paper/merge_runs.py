"""Merges finished runs whose seeds or machine types lie in different workdirs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict
from paper.published import MACHINES

from jax_dns.errors import InputError
from jax_dns.fingerprints import read_stamp
from jax_dns.pipeline.index import split_commas
from jax_dns.pipeline.method_results import RESULTS, MachineResults, segments_digest
from jax_dns.pipeline.workdir import (
    CompletedRun,
    machine_folders,
    machines_with_segments,
    open_run,
    read_config,
)

COMMON_FIELDS = ("data.dev_sections", "data.eval_sections", "smoothing", "inlier")
STAGES = dict(zip(RESULTS, ("fit", "smooth")))  # result file -> the stage that writes it


def open_runs(workdirs: Sequence[Path]) -> CompletedRun:
    """Opens finished workdirs as one run.

    Args:
      workdirs: at least one. Several hold other seeds or other machine types, with the same
        sections, smoothing and inlier models.

    Returns:
      All seeds and machine types, the paper's in its order first; the config is the first
      workdir's.

    Raises:
      InputError: a workdir that is not finished (the message has the command to run), configs that
        differ, or a seed and machine type that occurs twice or is missing.
    """
    for workdir in workdirs:
        _check_stages(workdir)
    runs = [open_run(workdir) for workdir in workdirs]
    config = runs[0].config
    folders: dict[int, dict[str, Path]] = {}
    results: dict[int, dict[str, MachineResults]] = {}
    for workdir, run in zip(workdirs, runs):
        for field in COMMON_FIELDS:
            if _field(config, field) != _field(run.config, field):
                raise InputError(
                    f"{workdir}: {field} differs from that of {workdirs[0]} (expected the same "
                    "sections, smoothing and inlier models in all workdirs)"
                )
        for seed, by_machine in run.folders.items():
            for machine, folder in by_machine.items():
                if machine in folders.setdefault(seed, {}):
                    raise InputError(
                        f"{workdir}: {machine} of seed {seed} is in {folders[seed][machine]} too"
                    )
                folders[seed][machine] = folder
                results.setdefault(seed, {})[machine] = run.results[seed][machine]
    machines = list(dict.fromkeys(name for by_machine in folders.values() for name in by_machine))
    machines.sort(key=lambda name: MACHINES.index(name) if name in MACHINES else len(MACHINES))
    for seed in sorted(folders):
        for machine in machines:
            if machine not in folders[seed]:
                raise InputError(f"{machine}: no run with seed {seed} (expected every seed of it)")
    return CompletedRun(
        config,
        {seed: {name: folders[seed][name] for name in machines} for seed in sorted(folders)},
        {seed: {name: results[seed][name] for name in machines} for seed in sorted(results)},
    )


def _field(config: ConfigDict, name: str) -> Any:
    section, _, field = name.partition(".")
    return config[section][field] if field else config[section].to_dict()


def _check_stages(workdir: Path) -> None:
    """Raises an error with the command to run where a stage's result is missing or out of date."""
    config = read_config(workdir)
    machines = split_commas(config.data.machines) or machines_with_segments(config, workdir)
    command = f"jax-dns run --config=FILE --workdir={workdir}"
    for by_machine in machine_folders(config, workdir, machines).values():
        for folder in by_machine.values():
            if not (folder / "segments.npz").is_file():
                raise InputError(f"{folder}: no segments.npz; run {command}")
            current = segments_digest(folder)
            for name, stage in STAGES.items():
                is_current = read_stamp(folder, name).get("segments") == current
                if not is_current or not (folder / f"{name}.npz").is_file():
                    raise InputError(
                        f"{folder}: no {name}.npz of these segments; run {command} "
                        f"--stages={','.join(STAGES.values())} (the stage {stage} is missing)"
                    )
