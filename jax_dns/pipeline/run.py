"""The paper's Fig. 2 as a pipeline: `run(config, workdir)`.

    index                 recordings, decoded and cached
    train_generative      f_G on normal sound                   (training clips only)
    train_discriminative  f_D on normal against other machines  (training clips only)
    embed                 a_G and f_D of every segment          -> segments.npz
    fit                   h on f_D, for every setting           -> inlier.npz
    smooth                Eq. 7, for every K and pool           -> smoothed.npz, baselines.npz
    select                hyperparameters on development sections
    evaluate              tables, CSV files, figures

Each stage leaves its result and a fingerprint of all that it depends on. It is not run again while
the fingerprint stays the same.
"""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.components import use_factories
from jax_dns.errors import InputError
from jax_dns.heartbeat import at_work
from jax_dns.pipeline.baselines import add_baselines
from jax_dns.pipeline.embed import embed
from jax_dns.pipeline.evaluate import select_and_evaluate
from jax_dns.pipeline.field_ranges import check_sections
from jax_dns.pipeline.figures import compile_ahead
from jax_dns.pipeline.fit import fit
from jax_dns.pipeline.index import (
    Machines,
    index,
    make_synthetic,
    sections_tested,
    split_commas,
    targets,
)
from jax_dns.pipeline.lock import workdir_lock
from jax_dns.pipeline.method_results import Folders
from jax_dns.pipeline.plan import format_plan, make_plan
from jax_dns.pipeline.smooth import smooth
from jax_dns.pipeline.train import make_source, tasks_to_do, train
from jax_dns.pipeline.training_clock import TrainingClock
from jax_dns.pipeline.training_tasks import Task, describe
from jax_dns.pipeline.validate_config import TRAINED, check
from jax_dns.pipeline.workdir import (
    check_format,
    earlier_config,
    machine_folders,
    machines_with_segments,
    make_workdir,
    write_provenance,
)
from jax_dns.processes import is_first
from jax_dns.segments_file import read_segments
from jax_dns.training.checkpoints import wait_for_all
from jax_dns.types import Factory
from jax_dns.wording import counted

ON_SOUND = ("index", "train_generative", "train_discriminative", "embed")
STAGES = (*ON_SOUND, "fit", "smooth", "select", "evaluate")  # these read segments.npz


def run(
    config: ConfigDict,
    workdir: str | Path,
    stages: Iterable[str] = STAGES,
    *,
    components: Mapping[str, Factory] | None = None,
    command: str = "",
) -> None:
    """Runs the stages in order for every machine type and seed.

    Args:
      config: see `jax_dns.config`.
      workdir: folder for everything that is made.
      stages: names from STAGES; of those left out the earlier results are used.
      components: factories by kind ("generative", "discriminative", "inlier", "smoothing"), in
        place of those that the config names.
      command: the command line, for versions.json.

    Raises:
      InputError: anything in the config, the recordings, a component or the workdir that can't be
        used; another run at work in the workdir.
    """
    stages = tuple(stages)
    for stage in stages:
        if stage not in STAGES:
            raise InputError(f"stages: {stage!r}, expected some of {','.join(STAGES)}")
    config = use_factories(config, components or {})
    check(config)
    path = make_workdir(workdir)
    check_format(path)
    if not is_first():
        _help_to_train(config, path, stages)
        return
    with workdir_lock(path):
        earlier = earlier_config(path)
        write_provenance(config, path, command)
        if config.synthetic.make and not config.data.root:
            make_synthetic(config, path)
        _run(config, earlier, path, stages)


def _help_to_train(config: ConfigDict, workdir: Path, stages: tuple[str, ...]) -> None:
    """Takes part in the trainings of the first process, which does everything else."""
    wait_for_all()  # for the recordings
    machines, names = _recordings(config, workdir, stages)
    folders = machine_folders(config, workdir, names)
    tasks = _tasks(config, machines, folders, stages)
    wait_for_all()  # before anything changes
    _train(config, machines, workdir, tasks)


def _recordings(
    config: ConfigDict, workdir: Path, stages: tuple[str, ...]
) -> tuple[Machines, list[str]]:
    """Returns the recordings that the stages need, and the machine types to run."""
    if not set(stages) & set(ON_SOUND):
        names = split_commas(config.data.machines) or machines_with_segments(config, workdir)
        return {}, names
    with at_work("recordings"):
        machines = index(config, workdir, outliers="train_discriminative" in stages)
    return machines, targets(config, machines)


def _tasks(
    config: ConfigDict, machines: Machines, folders: Folders, stages: tuple[str, ...]
) -> dict[str, list[Task]]:
    """Returns the trainings to do of each kind."""
    return {
        kind: tasks_to_do(config, kind, machines, folders) if f"train_{kind}" in stages else []
        for kind in TRAINED
    }


def _train(
    config: ConfigDict, machines: Machines, workdir: Path, tasks: dict[str, list[Task]]
) -> None:
    source = functools.cache(lambda: make_source(config, machines))
    clock = TrainingClock({k: (describe(config, k).name, len(tasks[k])) for k in TRAINED})
    for kind in TRAINED:
        train(config, kind, tasks[kind], workdir, source, clock)


def _sections_by_machine(machines: Machines, folders: Folders) -> dict[str, list[int]]:
    """Returns the sections of each machine type's test clips, of recordings or segments.npz."""
    if machines:
        return {
            name: sections_tested(machines[name].clips) for name in next(iter(folders.values()))
        }
    sections = {}
    for name, folder in next(iter(folders.values())).items():
        if (folder / "segments.npz").is_file():
            segments, _ = read_segments(folder / "segments.npz")
            test = segments.where(segments.split == "test")
            sections[name] = np.unique(test.section).tolist() if (test.label >= 0).any() else []
    return sections


def _run(
    config: ConfigDict, earlier: ConfigDict | None, workdir: Path, stages: tuple[str, ...]
) -> None:
    machines, names = _recordings(config, workdir, stages)
    wait_for_all()
    for name in names if machines else ():
        tqdm.write(f"{name}: {counted(len(machines[name].clips), 'clip')}")
    folders = machine_folders(config, workdir, names)
    if set(stages) != {"index"}:
        for line in check_sections(config, _sections_by_machine(machines, folders)):
            tqdm.write(line)
    tasks = _tasks(config, machines, folders, stages)
    plan = make_plan(config, earlier, machines, folders, workdir, stages, tasks)
    tqdm.write(format_plan(plan))
    if config.tensorboard and not any(tasks.values()):
        tqdm.write("tensorboard: nothing to write, no training is to be done; see metrics.jsonl")
    wait_for_all()
    if any(tasks.values()) and "evaluate" in stages:
        compile_ahead(config)
    _train(config, machines, workdir, tasks)
    done = {stage.stage for stage in plan if stage.is_done}
    for seed, by_machine in folders.items():
        for name, folder in by_machine.items():
            title = f"{name}, seed {seed}"
            if "embed" in stages and "embed" not in done:
                embed(config, machines[name], name, folder, seed)
            if "fit" in stages and "fit" not in done:
                with at_work(f"{title}, fit"):
                    fit(config, title, folder, seed)
            if "smooth" in stages and "smooth" not in done:
                with at_work(f"{title}, smooth"):
                    smooth(config, title, folder)
                    add_baselines(config, title, folder, seed)
    with at_work("evaluate"):
        select_and_evaluate(config, workdir, folders, stages)
