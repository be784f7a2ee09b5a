"""Finished runs as one: seeds or machine types that were run in different workdirs."""

from collections.abc import Sequence
from pathlib import Path

from paper.published import MACHINES

from jax_dns.errors import InputError
from jax_dns.fingerprints import recorded
from jax_dns.pipeline.index import names
from jax_dns.pipeline.smooth import MachineResults, artefact_key
from jax_dns.pipeline.workdir import (
    CompletedRun,
    open_run,
    read_config,
    seed_folder,
    with_segments,
)

SAME = ("data.dev_sections", "data.eval_sections", "smoothing", "inlier")  # in every workdir


def open_together(workdirs: Sequence[Path]) -> CompletedRun:
    """Opens finished workdirs and puts them together, by seed and machine type.

    Args:
      workdirs: at least one; several hold other seeds or other machine types, under the same
        sections, smoothing and inlier models.

    Returns:
      All of them, the paper's machine types in its order first; the config is the first's.

    Raises:
      InputError: a workdir that isn't finished (names the command to run), configs that differ, a
        seed and machine type that is there twice, or one that is missing.
    """
    for workdir in workdirs:
        _check_stages(workdir)
    parts = [open_run(workdir) for workdir in workdirs]
    config = parts[0].config
    folders: dict[int, dict[str, Path]] = {}
    found: dict[int, dict[str, MachineResults]] = {}
    for workdir, part in zip(workdirs, parts):
        for field in SAME:
            first, here = (_field(c, field) for c in (config, part.config))
            if first != here:
                raise InputError(
                    f"{workdir}: {field} isn't that of {workdirs[0]} (expected the same sections, "
                    "smoothing and inlier models in all workdirs)"
                )
        for seed, machines in part.folders.items():
            for machine, folder in machines.items():
                if machine in folders.setdefault(seed, {}):
                    raise InputError(
                        f"{workdir}: {machine} of seed {seed} is in {folders[seed][machine]} too"
                    )
                folders[seed][machine] = folder
                found.setdefault(seed, {})[machine] = part.found[seed][machine]
    every = list(dict.fromkeys(machine for machines in folders.values() for machine in machines))
    every.sort(key=lambda m: MACHINES.index(m) if m in MACHINES else len(MACHINES))
    for seed in sorted(folders):
        for machine in every:
            if machine not in folders[seed]:
                raise InputError(f"{machine}: not run with seed {seed} (expected every seed of it)")
    return CompletedRun(
        config,
        {seed: {m: folders[seed][m] for m in every} for seed in sorted(folders)},
        {seed: {m: found[seed][m] for m in every} for seed in sorted(found)},
    )


def _field(config, name: str):
    part, _, rest = name.partition(".")
    return config[part][rest] if rest else config[part].to_dict()


def _check_stages(workdir: Path) -> None:
    """Looks for each stage's result, and says how to get a missing one."""
    config = read_config(workdir)
    for seed in config.seeds:
        for machine in names(config.data.machines) or with_segments(config, workdir):
            folder = seed_folder(config, workdir, seed) / machine
            command = f"jax-dns run --config=FILE --workdir={workdir}"
            if not (folder / "segments.npz").is_file():
                raise InputError(f"{folder}: no segments.npz; run {command}")
            for stage, does in (("serial_oe", "fit"), ("smoothed", "smooth")):
                now = recorded(folder, stage).get("artefact") == artefact_key(folder)
                if not now or not (folder / f"{stage}.npz").is_file():
                    raise InputError(
                        f"{folder}: no {stage}.npz of these segments; "
                        f"run {command} --stages=fit,smooth (the stage {does} is missing)"
                    )
