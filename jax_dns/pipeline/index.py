"""The index stage: from `config.data` to decoded recordings of each machine type."""

from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from jax_dns.data.audio_cache import AudioStore, Format, open_store, standardise_together
from jax_dns.data.clips import Clip, index_clips
from jax_dns.data.sampler import split_clips
from jax_dns.errors import InputError
from jax_dns.training.trainers import TrainingClips


class Machine(NamedTuple):
    """One machine type's recordings."""

    clips: list[Clip]
    store: AudioStore


def data_root(config: ConfigDict, workdir: Path) -> Path:
    """The folder of recordings."""
    if config.data.root:
        return Path(config.data.root)
    if config.factory.make:
        return workdir / "factory"
    raise InputError("data.root: empty, expected a folder in the DCASE 2021 layout")


def make_factory(config: ConfigDict, workdir: Path) -> None:
    """Makes the embedded data set where it isn't there yet."""
    from jax_dns.datasets import synthetic

    f = config.factory
    synthetic.make_factory(
        data_root(config, workdir),
        seed=f.seed,
        machines=names(f.machines),
        sections=range(f.sections),
        dev_sections=config.data.dev_sections,
        train_source=f.train_source,
        train_target=f.train_target,
        test_normal=f.test_normal,
        test_anomaly=f.test_anomaly,
        seconds=f.seconds,
        sample_rate=config.data.sample_rate,
        shift=f.shift,
        snr_db=f.snr_db,
    )


def index(config: ConfigDict, workdir: Path, *, outliers: bool = True) -> dict[str, Machine]:
    """Finds and decodes the recordings of all machine types concerned, outliers if wanted."""
    d = config.data
    root = data_root(config, workdir)
    named = names(d.machines)
    if outliers:
        named = named + names(d.outliers) if named and d.outliers else []
    clips = index_clips(root, machines=named, ground_truth=d.ground_truth)
    for name in names(d.outliers) if outliers else ():
        if name not in clips:
            raise InputError(f"data.outliers: no recordings of {name!r} under {root}")
    machines = {}
    for name in clips:
        kept, store = open_store(
            clips[name],
            workdir / "audio" / name,
            audio_format=Format(d.sample_rate, d.channel, d.resample),
            skip_corrupt=d.skip_corrupt,
        )
        if outliers and kept and store.silent.all():
            # A batch without variance: f_D's gradients overflow through its BatchNorms.
            raise InputError(f"{root}: all {len(kept)} recordings of {name} are silent")
        if d.standardise == "machine":
            train = [row for row, clip in enumerate(kept) if clip.split == "train"]
            store = standardise_together(store, train)
        machines[name] = Machine(kept, store)
    return machines


def targets(config: ConfigDict, machines: dict[str, Machine]) -> list[str]:
    """The machine types to run: those named, else all that have test clips."""
    named = names(config.data.machines)
    found = [m for m in machines if any(c.split == "test" for c in machines[m].clips)]
    for machine in named or ["any machine type"]:
        if machine not in found and (named or not found):
            raise InputError(
                f"{config.data.root or 'factory'}: no test clips of {machine} "
                "(expected section_SS_<domain>_test_*.wav)"
            )
    return named or found


def training_clips(config: ConfigDict, machine: Machine, seed: int) -> TrainingClips:
    """A machine type's training recordings, split; there may be none."""
    rows = [row for row, clip in enumerate(machine.clips) if clip.split == "train"]
    clips = [machine.clips[row] for row in rows]
    split = split_clips(clips, seed=seed, train_fraction=config.data.train_fraction)
    return TrainingClips(clips, [(machine.store, row) for row in rows], split)


def outlier_clips(
    config: ConfigDict, machines: dict[str, Machine], name: str, seed: int
) -> list[TrainingClips]:
    """The other machine types' training recordings; never the machine's own."""
    allowed = names(config.data.outliers) or list(machines)
    others = [training_clips(config, machines[m], seed) for m in allowed if m != name]
    return [other for other in others if other.clips]


def names(text: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
