"""New recordings scored by a finished run, which is only read."""

import shutil
from pathlib import Path

from jax_dns.errors import InputError
from jax_dns.pipeline.baselines import add_baselines
from jax_dns.pipeline.embed import embed
from jax_dns.pipeline.evaluate import select_and_evaluate
from jax_dns.pipeline.fit import fit
from jax_dns.pipeline.index import index, targets
from jax_dns.pipeline.lock import workdir_lock
from jax_dns.pipeline.select import SELECTION
from jax_dns.pipeline.smooth import smooth
from jax_dns.pipeline.workdir import (
    machine_folders,
    machines_with_segments,
    make_workdir,
    read_config,
    write_provenance,
)


def score(
    trained: Path, data: Path, out: Path, *, with_history: bool = False, command: str = ""
) -> None:
    """Scores new recordings with a finished run's components and selected settings.

    Args:
      trained: workdir of the run; nothing in it is changed.
      data: folder of the new recordings.
      out: folder for scores.csv and the other results, made as a workdir of its own.
      with_history: the run's own test clips are candidates for neighbours too (Sec. III: past data
        are accumulated), and are scored with the new ones.
      command: the command line, for versions.json.

    Raises:
      InputError: a folder that can't be used, or a machine type that the run has not trained.
    """
    config = read_config(trained)
    config.data.root = str(data)
    config.data.machines = ""
    known = machines_with_segments(config, trained)
    path = make_workdir(out)
    if path == trained.absolute():
        raise InputError(f"--out: {out} is the trained run, expected another folder")
    with workdir_lock(path):
        write_provenance(config, path, command)
        machines = index(config, path, outliers=False)
        names = targets(config, machines)
        for name in names:
            if name not in known:
                raise InputError(f"{data}: {name}, expected a machine type of {', '.join(known)}")
        folders = machine_folders(config, path, names)
        for seed, by_machine in folders.items():
            sources = machine_folders(config, trained, names)[seed]
            for name, folder in by_machine.items():
                _copy_selection(sources[name], folder)
                embed(
                    config,
                    machines[name],
                    name,
                    folder,
                    seed,
                    trained=sources[name],
                    with_history=with_history,
                )
                fit(config, f"{name}, seed {seed}", folder, seed)
                smooth(config, f"{name}, seed {seed}", folder)
                add_baselines(config, f"{name}, seed {seed}", folder, seed)
        select_and_evaluate(config, path, folders, ("embed", "fit", "smooth", "evaluate"))


def _copy_selection(source: Path, folder: Path) -> None:
    selection = source / f"{SELECTION}.json"
    if selection.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(selection, folder / selection.name)
