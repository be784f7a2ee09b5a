"""The trainings that a run needs, and how each is recognised as done."""

from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jax_dns.components import build, component_key
from jax_dns.errors import InputError
from jax_dns.fingerprints import BEGUN, fingerprint, is_done, without_fields
from jax_dns.pipeline.index import (
    Machines,
    outlier_clips,
    segment_samples,
    training_clips,
)
from jax_dns.training import checkpoints
from jax_dns.training.batches import (
    Schedule,
    TrainingData,
    join_clips,
)
from jax_dns.training.loop import LAST, is_trained
from jax_dns.types import Facts, GradientModel

ALL = "all_machines"  # the folder of a model that is trained on all machine types at once
DONE = "done"  # the stamp of a finished training
# Fields of a training that don't change its result.
BOOKKEEPING = ("validate_every", "save_every", "eval_batch_size", "vmap_runs")


class Task(NamedTuple):
    """One training that a run needs."""

    title: str
    machine: str  # or ALL
    data: TrainingData
    seed: int
    folder: Path
    facts: Facts
    key: str


def network_settings(config: ConfigDict, kind: str) -> str:
    """Fingerprints a network's code, settings and input format, without the recordings."""
    d, section = config.data, config[kind]
    unused = BOOKKEEPING if section.checkpoint == "last" else BOOKKEEPING[1:]
    audio = [d.sample_rate, d.channel, d.standardise, d.segment_seconds, d.train_fraction]
    training = without_fields(config[kind], *unused)
    training = {
        k: training[k]
        for k in ("epochs", "batch_size", "checkpoint", "validate_every")
        if k in training
    }
    return fingerprint(component_key(config, kind), training, audio)


def schedule(config: ConfigDict, kind: str) -> Schedule:
    """Reads a training's length and checkpoints from the config."""
    section = config[kind]
    return Schedule(
        section.epochs,
        section.batch_size,
        section.validate_every,
        section.save_every,
        section.checkpoint,
        section.get("eval_batch_size", section.batch_size),
        config.tensorboard,
        config.profile,
    )


def scope_of(config: ConfigDict, kind: str) -> str:
    """Tells what a component trains on; a fitted model on the machine type's own clips."""
    return getattr(describe(config, kind), "scope", "target")


def describe(config: ConfigDict, kind: str) -> Any:
    """Builds a component for its name and scope alone, without facts of the data."""
    facts = Facts(config.data.sample_rate, segment_samples(config), n_sections=1)
    return build(config, kind, facts, trained=True)


def model_folder(config: ConfigDict, kind: str, machine_folder: Path) -> Path:
    """Returns the folder of a machine type's trained component."""
    if scope_of(config, kind) == "all":
        return machine_folder.parent / ALL / kind
    return machine_folder / kind


def list_tasks(
    config: ConfigDict, kind: str, machines: Machines, folders: dict[str, Path], seed: int
) -> list[Task]:
    """Lists the trainings of one seed."""
    scope, name = scope_of(config, kind), describe(config, kind).name
    sources = {m: training_clips(config, machine, seed) for m, machine in machines.items()}
    for machine in folders:
        if not sources[machine].clips:
            raise InputError(
                f"{config.data.root}: {machine} has no training clips, nothing to train on "
                "(expected section_SS_<domain>_train_normal_NNNN.wav)"
            )
    data = {}
    if scope == "all":
        parts = [source for source in sources.values() if source.clips]
        data[ALL] = TrainingData(join_clips(parts))
        folders = {ALL: next(iter(folders.values())).parent / ALL}
    else:
        for machine in folders:
            outliers = ()
            if scope == "target+outliers":
                outliers = outlier_clips(config, machines, machine, seed)
            data[machine] = TrainingData(sources[machine], outliers)
    settings = network_settings(config, kind)
    return [
        Task(
            f"{machine} {name}, seed {seed}",
            machine,
            part,
            seed,
            folders[machine] / kind,
            Facts(
                config.data.sample_rate,
                segment_samples(config),
                len(part.section_classes),
                part.n_labels,
            ),
            fingerprint(settings, seed, part.target.digests, [o.digests for o in part.outliers]),
        )
        for machine, part in data.items()
    ]


def is_task_done(config: ConfigDict, kind: str, task: Task) -> bool:
    if not is_done(task.folder, DONE, task.key):
        return False
    if not isinstance(describe(config, kind), GradientModel):
        return True  # its file is listed in the stamp
    return is_trained(task.folder, checkpoint=config[kind].checkpoint)


def resumable_step(config: ConfigDict, kind: str, task: Task) -> int:
    """Returns the step that a training would resume from; 0 for the first."""
    if not isinstance(describe(config, kind), GradientModel):
        return 0
    if not is_done(task.folder, BEGUN, task.key):
        return 0
    return checkpoints.latest_step(task.folder / "checkpoints" / LAST, by_size=True) or 0
