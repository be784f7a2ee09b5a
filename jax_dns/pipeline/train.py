"""The training stages: a_G and f_D, each on training clips only."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns import processes
from jax_dns.components import build
from jax_dns.data import device_cache
from jax_dns.errors import InputError
from jax_dns.fingerprints import fingerprint, reset_if_stale, write_stamp
from jax_dns.heartbeat import at_work
from jax_dns.pipeline.index import Machines, hop_samples, segment_samples, training_clips
from jax_dns.pipeline.method_results import Folders
from jax_dns.pipeline.training_clock import TrainingClock
from jax_dns.pipeline.training_tasks import (
    DONE,
    Task,
    describe,
    is_task_done,
    list_tasks,
    network_settings,
    schedule,
)
from jax_dns.pipeline.validate_config import check_network
from jax_dns.training.batches import (
    check_outliers,
    uses_outliers,
)
from jax_dns.training.checkpoints import wait_for_all
from jax_dns.training.epochs import BATCH
from jax_dns.training.fitted import fit_model
from jax_dns.training.trainers import FROM_HOST, BatchSource, train_model
from jax_dns.training.vmapped import Run, train_vmapped
from jax_dns.types import GradientModel, StoredFeatures
from jax_dns.wording import duration

GetSource = Callable[[], BatchSource]  # called only where there is something to train


def make_source(config: ConfigDict, machines: Machines) -> BatchSource:
    """Copies all training recordings to the devices, where `data.cache_on_device` says so."""
    mesh = _mesh(config)
    recordings = [
        recording
        for machine in machines.values()
        for recording in training_clips(config, machine, 0).recordings
    ]
    segment = segment_samples(config)
    choice = config.data.cache_on_device
    fits = choice == "yes" or (choice == "auto" and device_cache.fits(recordings, segment=segment))
    wait_for_all()  # on CPUs the first collective fails if one process is 30 s late
    if not processes.of_first(fits):  # the hosts' free memory may differ
        return BatchSource(None, mesh)
    replicated = mesh and NamedSharding(mesh, PartitionSpec())
    cache = device_cache.upload(recordings, segment=segment, sharding=replicated)
    size = cache.resident.samples.nbytes / 2**30
    tqdm.write(f"{len(recordings)} training recordings on the device, {size:.2f} GiB")
    return BatchSource(cache, mesh)


def tasks_to_do(config: ConfigDict, kind: str, machines: Machines, folders: Folders) -> list[Task]:
    """Lists the trainings of one kind that aren't done.

    Args:
      config: of the run.
      kind: "generative" or "discriminative".
      machines: recordings.
      folders: seed -> machine type -> its folder.

    Raises:
      InputError: a machine type without training clips.
    """
    if isinstance(describe(config, kind), StoredFeatures):
        return []
    return [
        task
        for seed, by_machine in folders.items()
        for task in list_tasks(config, kind, machines, dict(by_machine), seed)
        if not is_task_done(config, kind, task)
    ]


def train(
    config: ConfigDict,
    kind: str,
    tasks: list[Task],
    workdir: Path,
    source: GetSource,
    clock: TrainingClock,
) -> None:
    """Trains one kind of component.

    Args:
      config: of the run.
      kind: "generative" or "discriminative".
      tasks: the trainings to do.
      workdir: of the run.
      source: makes the batches' source.
      clock: told of each training that is done.

    Raises:
      InputError: no training clips, no outliers where the model needs them, or a component that
        can't be used.
    """
    if not tasks:
        return
    clock.restart()
    for facts in {task.facts for task in tasks}:
        check_network(config, kind, facts)
    section = config[kind]
    models = {task.facts: build(config, kind, task.facts) for task in tasks}
    model = models[tasks[0].facts]
    if isinstance(model, GradientModel):
        for task in tasks:
            check_outliers(models[task.facts], task.data, task.title)
    if processes.is_first():
        for task in tasks:
            reset_if_stale(task.folder, task.key)
    wait_for_all()
    if _are_vmapped(config, kind, models, tasks):
        _train_vmapped(config, kind, model, tasks, workdir, _one_device(source))
        clock.finish(kind, len(tasks))
        return
    for task in tasks:
        model, files = models[task.facts], []
        if isinstance(model, GradientModel):
            train_model(
                model,
                task.data,
                task.folder,
                seed=task.seed,
                segment=segment_samples(config),
                schedule=schedule(config, kind),
                title=task.title,
                source=source() if kind == "discriminative" else _one_device(source),
                entries=_entries(config, kind, task),
            )
        elif processes.is_first():
            started = time.monotonic()
            with at_work(f"{task.title}: fitting"):
                files = [
                    fit_model(
                        model,
                        task.data.target,
                        task.folder,
                        seed=task.seed,
                        segment=segment_samples(config),
                        hop=hop_samples(config),
                        batch_size=section.batch_size,
                    )
                ]
            tqdm.write(f"{task.title}: fitted in {duration(time.monotonic() - started)}")
        _write_stamp(config, kind, task, files)
        clock.finish(kind)


def _entries(config: ConfigDict, kind: str, task: Task) -> dict[str, Any]:
    """Returns what each line of a training's log says of it; a schedule's rate is added later."""
    rate = config[kind].get("learning_rate")
    entries = {"seed": task.seed, "machine": task.machine}
    return entries if rate is None else entries | {"learning_rate": rate}


def _one_device(source: GetSource) -> BatchSource:
    """Returns the source of a training that isn't spread over devices.

    Each of several processes trains it for itself, on its own device and the same batches.
    """
    return FROM_HOST if jax.process_count() > 1 else source()._replace(mesh=None)


def _write_stamp(config: ConfigDict, kind: str, task: Task, files: list[Path]) -> None:
    if not processes.is_first():
        return
    write_stamp(
        task.folder,
        DONE,
        task.key,
        files=files,
        settings=network_settings(config, kind),
        n_sections=task.facts.n_sections,
        n_labels=task.facts.n_labels,
    )


def _are_vmapped(config: ConfigDict, kind: str, models: dict, tasks: list[Task]) -> bool:
    """Decides whether all trainings become one program.

    On CPU the vmapped step takes longer than the steps one by one. Each run's best state would need
    a checkpoint of its own.
    """
    section = config[kind]
    choice = section.get("vmap_runs", "no")
    model = models[tasks[0].facts]
    possible = (
        len(tasks) > 1
        and len(models) == 1
        and section.checkpoint == "last"
        and isinstance(model, GradientModel)
        and not uses_outliers(model)
    )
    return possible and (choice == "yes" or (choice == "auto" and jax.default_backend() != "cpu"))


def _train_vmapped(
    config: ConfigDict,
    kind: str,
    model: GradientModel,
    tasks: list[Task],
    workdir: Path,
    source: BatchSource,
) -> None:
    folder = workdir / f"{kind}_vmapped"  # checkpoints of all runs in one
    if processes.is_first():
        reset_if_stale(folder, fingerprint([task.key for task in tasks]))
    wait_for_all()
    train_vmapped(
        model,
        [Run(task.data, task.seed, task.folder, _entries(config, kind, task)) for task in tasks],
        folder,
        segment=segment_samples(config),
        schedule=schedule(config, kind),
        title=f"{len(tasks)} {model.name}s at once",
        source=source,
        devices=jax.devices() if jax.device_count() > 1 and jax.process_count() == 1 else (),
    )
    for task in tasks:
        _write_stamp(config, kind, task, [])


def _mesh(config: ConfigDict) -> Mesh | None:
    """Returns the devices that share the discriminative model's batches; None for one device."""
    devices, batch = jax.devices(), config.discriminative.batch_size
    if len(devices) == 1:
        return None
    if batch % len(devices):
        raise InputError(
            f"discriminative.batch_size: {batch}, expected a multiple of the {len(devices)} devices"
        )
    return Mesh(np.asarray(devices), (BATCH,))
