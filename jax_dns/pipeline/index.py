"""The index stage: from `config.data` to decoded recordings of each machine type."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.components import layout_of
from jax_dns.data.audio_cache import AudioStore, Format, open_store, standardise_together
from jax_dns.data.clips import Clip
from jax_dns.data.layouts import index_clips
from jax_dns.data.sampler import split_clips
from jax_dns.errors import InputError
from jax_dns.files import local_path
from jax_dns.fingerprints import fingerprint
from jax_dns.training.batches import TrainingClips


class Machine(NamedTuple):
    """One machine type's recordings."""

    clips: list[Clip]
    store: AudioStore


Machines = dict[str, Machine]


def data_root(config: ConfigDict, workdir: Path) -> Path:
    """Returns the folder of recordings.

    Raises:
      InputError: none is named.
    """
    if config.data.root:
        return Path(config.data.root)
    if config.synthetic.make:
        return workdir / "synthetic"
    raise InputError("data.root: empty, expected a folder of recordings")


def make_synthetic(config: ConfigDict, workdir: Path) -> None:
    """Makes the synthetic data set where it isn't there yet."""
    from jax_dns.datasets import synthetic

    c, machines = config.synthetic, split_commas(config.data.machines)
    synthetic.make_factory(
        data_root(config, workdir),
        seed=c.seed,
        machines=split_commas(c.machines),
        sections=range(c.sections),
        dev_sections=config.data.dev_sections,
        train_source=c.train_source,
        train_target=c.train_target,
        test_normal=c.test_normal,
        test_anomaly=c.test_anomaly,
        tested=machines,
        seconds=c.seconds,
        sample_rate=config.data.sample_rate,
        shift=c.shift,
        snr_db=c.snr_db,
        background=c.background,
    )


def find_clips(
    config: ConfigDict,
    root: Path,
    machines: list[str],
    *,
    log: Callable[[str], object] = tqdm.write,
) -> dict[str, list[Clip]]:
    """Finds the recordings below `root`, in the layout that the config names.

    Args:
      config: of the run.
      root: folder of recordings.
      machines: machine types to find; none: all.
      log: called with the lines for the user: the layout, and what is left out.

    Returns:
      Clips by machine type.
    """
    d = config.data
    return index_clips(
        root,
        layout=layout_of(config),
        machines=machines,
        ground_truth=d.ground_truth,
        normal=d.normal,
        anomaly=d.anomaly,
        test_fraction=d.test_fraction,
        seed=d.layout_seed,
        log=log,
    )


def needed_clips(config: ConfigDict, root: Path, *, outliers: bool = True) -> dict[str, list[Clip]]:
    """Finds the recordings of all machine types that a run needs; see `index`."""
    d = config.data
    wanted = split_commas(d.machines)
    if outliers:
        wanted = wanted + split_commas(d.outliers) if wanted and d.outliers else []
    clips = find_clips(config, root, wanted)
    for name in split_commas(d.outliers) if outliers else ():
        if name not in clips:
            raise InputError(f"data.outliers: no recordings of {name!r} under {root}")
    return clips


def index(config: ConfigDict, workdir: Path, *, outliers: bool = True) -> Machines:
    """Finds and decodes the recordings of all machine types that a run needs.

    Args:
      config: of the run.
      workdir: its folder.
      outliers: include the machine types that give outlier clips.

    Returns:
      Recordings by machine type.

    Raises:
      InputError: a machine type that isn't there, or recordings that can't be used.
    """
    d, root = config.data, data_root(config, workdir)
    clips = needed_clips(config, root, outliers=outliers)
    audio_format, cache = Format(d.sample_rate, d.channel, d.resample), workdir / "audio"
    if d.cache:  # a folder for each root and format: names of clips may be the same
        key = fingerprint(str(root.absolute()), list(audio_format))
        cache = local_path(d.cache, "data.cache") / key
    machines = {}
    for name in clips:
        usable, store = open_store(
            clips[name],
            cache / name,
            audio_format=audio_format,
            skip_corrupt=d.skip_corrupt,
        )
        if outliers and usable and store.silent.all():
            # A batch without variance: f_D's gradients overflow through its BatchNorms.
            raise InputError(f"{root}: all {len(usable)} recordings of {name} are silent")
        if d.standardise == "machine":
            train = [row for row, clip in enumerate(usable) if clip.split == "train"]
            store = standardise_together(store, train)
        machines[name] = Machine(usable, store)
    return machines


def targets(config: ConfigDict, machines: Machines) -> list[str]:
    """Lists the machine types to run: those named, else all that have test clips.

    Raises:
      InputError: one of them has no test clips.
    """
    wanted = split_commas(config.data.machines)
    testable = [m for m in machines if any(c.split == "test" for c in machines[m].clips)]
    for machine in wanted or ["any machine type"]:
        if machine not in testable and (wanted or not testable):
            raise InputError(
                f"{config.data.root or 'synthetic'}: no test clips of {machine} "
                "(expected some, as data.layout arranges them)"
            )
    return wanted or testable


def sections_tested(clips: Iterable[Clip]) -> list[int]:
    """Lists the sections of the test clips; none where no test clip has a label."""
    test = [clip for clip in clips if clip.split == "test"]
    return sorted({clip.section for clip in test}) if any(c.label >= 0 for c in test) else []


def training_clips(config: ConfigDict, machine: Machine, seed: int) -> TrainingClips:
    """Splits a machine type's training recordings; there may be none."""
    rows = [row for row, clip in enumerate(machine.clips) if clip.split == "train"]
    clips = [machine.clips[row] for row in rows]
    split = split_clips(clips, seed=seed, train_fraction=config.data.train_fraction)
    return TrainingClips(clips, [(machine.store, row) for row in rows], split)


def outlier_clips(
    config: ConfigDict, machines: Machines, name: str, seed: int
) -> tuple[TrainingClips, ...]:
    """Lists the other machine types' training recordings; never the machine's own."""
    allowed = split_commas(config.data.outliers) or list(machines)
    others = [training_clips(config, machines[m], seed) for m in allowed if m != name]
    return tuple(other for other in others if other.clips)


def segment_samples(config: ConfigDict) -> int:
    """Returns the length of a segment, samples."""
    return round(config.data.segment_seconds * config.data.sample_rate)


def hop_samples(config: ConfigDict) -> int:
    """Returns the distance between test segments, samples."""
    return round(config.data.segment_hop_seconds * config.data.sample_rate)


def split_commas(text: str) -> list[str]:
    """Splits names at commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
