"""The paper's Fig. 2 as a pipeline: `run(config, workdir)`.

    index            recordings, decoded and cached
    train_ae         f_G on normal sound                   (training clips only)
    train_extractor  f_D on normal against other machines  (training clips only)
    embed            a_G and f_D of every segment          -> segments.npz
    fit              SerialOE: h on f_D, for every setting -> serial_oe.npz
    smooth           Eq. 7, for every K and pool           -> smoothed.npz
    select           hyperparameters on development sections
    evaluate         tables, CSV files, figures

Each stage leaves its result and a fingerprint of all that it depends on, and is not run again while
that holds.
"""

import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.artefact import read_segments
from jax_dns.errors import InputError
from jax_dns.files import write_json, write_text
from jax_dns.pipeline import networks, recordings, results
from jax_dns.pipeline.candidates import artefact_key, smoothing_groups, write_scored
from jax_dns.pipeline.checks import check
from jax_dns.pipeline.embedding import embed
from jax_dns.pipeline.networks import network_settings
from jax_dns.pipeline.recordings import Machine
from jax_dns.pipeline.records import begin, fingerprint, is_done, record
from jax_dns.scoring import methods
from jax_dns.training.machines import Schedule, train_autoencoder, train_extractor

ON_SOUND = ("index", "train_ae", "train_extractor", "embed")  # the others read segments.npz
STAGES = ("index", "train_ae", "train_extractor", "embed", "fit", "smooth", "select", "evaluate")


def run(config: ConfigDict, workdir: str | Path, stages: Iterable[str] = STAGES) -> None:
    """Runs the stages in order for every machine type and seed.

    Args:
      config: see `jax_dns.config`.
      workdir: folder for everything that is made.
      stages: names from STAGES; those left out are not run, and what they once made is used.

    Raises:
      InputError: anything in the config, the recordings or the workdir that can't be used.
    """
    stages = tuple(stages)
    for stage in stages:
        if stage not in STAGES:
            raise InputError(f"stages: {stage!r}, expected some of {','.join(STAGES)}")
    check(config)
    workdir = _prepare(config, Path(workdir))
    machines: dict[str, Machine] = {}
    if set(stages) & set(ON_SOUND):
        machines = recordings.index(config, workdir, outliers="train_extractor" in stages)
        targets = recordings.targets(config, machines)
        for name in targets:
            tqdm.write(f"{name}: {len(machines[name].clips)} clips")
    else:
        targets = recordings.names(config.data.machines) or _with_segments(config, workdir)
    folders = {
        seed: {name: _seed_folder(config, workdir, seed) / name for name in targets}
        for seed in config.seeds
    }
    for seed in config.seeds:
        for name in targets:
            folder = folders[seed][name]
            if "train_ae" in stages:
                _train_ae(config, machines, name, folder / "ae", seed)
            if "train_extractor" in stages:
                _train_extractor(config, machines, name, folder / "extractor", seed)
            if "embed" in stages:
                embed(config, machines[name], name, folder, seed)
            if "fit" in stages:
                _fit(config, name, folder, seed)
            if "smooth" in stages:
                _smooth(config, name, folder)
    results.report(config, workdir, folders, stages)


def _prepare(config: ConfigDict, workdir: Path) -> Path:
    """Makes the workdir, and the embedded data set if asked to; writes down what runs in it."""
    workdir = workdir.absolute()
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"workdir: {workdir} can't be made ({error.strerror})") from error
    write_text(workdir / "config.json", config.to_json(indent=1) + "\n")
    packages = ("jax-dns", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "scikit-learn")
    versions = {name: importlib.metadata.version(name) for name in packages}
    device = jax.devices()[0]
    versions |= {"python": platform.python_version(), "device": device.device_kind}
    write_json(workdir / "versions.json", versions)
    if config.factory.make and not config.data.root:
        recordings.make_factory(config, workdir)
    return workdir


def _seed_folder(config: ConfigDict, workdir: Path, seed: int) -> Path:
    return workdir if len(config.seeds) == 1 else workdir / f"seed_{seed}"


def _with_segments(config: ConfigDict, workdir: Path) -> list[str]:
    """Machine types that have a segments.npz, whoever wrote it."""
    folder = _seed_folder(config, workdir, config.seeds[0])
    found = sorted(path.parent.name for path in folder.glob("*/segments.npz"))
    if not found:
        raise InputError(f"{folder}: no <machine>/segments.npz (expected the stage embed's)")
    return found


def _schedule(config: ConfigDict, part: ConfigDict) -> Schedule:
    names = ("epochs", "batch_size", "validate_every", "save_every", "keep")
    return Schedule(*(part[name] for name in names), config.tensorboard)


def _target_clips(config: ConfigDict, machines: dict[str, Machine], name: str, seed: int):
    data = recordings.training_clips(config, machines[name], seed)
    if not data.clips:
        raise InputError(
            f"{config.data.root}: {name} has no training clips, nothing to train on "
            "(expected section_SS_<domain>_train_normal_NNNN.wav)"
        )
    return data


def _train_ae(config: ConfigDict, machines, name: str, folder: Path, seed: int) -> None:
    data = _target_clips(config, machines, name, seed)
    settings = network_settings(config, config.ae)
    key = fingerprint(settings, seed, data.digests)
    if is_done(folder, "done", key):
        return
    networks.trace(config)
    begin(folder, key)
    net = networks.autoencoder(config)
    train_autoencoder(
        net.steps, net.score, data, folder, seed=seed,
        segment=networks.segment_samples(config), schedule=_schedule(config, config.ae),
        title=f"{name} AE",
    )  # fmt: skip
    record(folder, "done", key, settings=settings)


def _train_extractor(config: ConfigDict, machines, name: str, folder: Path, seed: int) -> None:
    data = _target_clips(config, machines, name, seed)
    outliers = recordings.outlier_clips(config, machines, name, seed)
    e = config.extractor
    settings = network_settings(config, e)
    weights = networks.weights_digest(config)
    key = fingerprint(settings, seed, data.digests, [o.digests for o in outliers], weights)
    if is_done(folder, "done", key):
        return
    if not any(len(other.split.train) for other in outliers):
        raise InputError(
            f"{name} extractor: no outlier clips (expected training clips of another machine type)"
        )
    networks.trace(config)
    begin(folder, key)
    sections = len({clip.section for clip in data.clips})
    train_extractor(
        networks.extractor(config, n_sections=sections), data, outliers, folder,
        seed=seed, segment=networks.segment_samples(config), schedule=_schedule(config, e),
        max_lr=e.learning_rate, lambda_id=e.lambda_id, mask_outliers=e.mask_outliers,
        embed_batch_size=e.embed_batch_size, title=f"{name} extractor",
    )  # fmt: skip
    record(folder, "done", key, settings=settings, sections=sections)


def _fit(config: ConfigDict, name: str, folder: Path, seed: int) -> None:
    c = config.inlier
    path, key = folder / "serial_oe.npz", fingerprint(c, seed, artefact_key(folder))
    if is_done(folder, "serial_oe", key) and path.is_file():
        return
    segments, _ = read_segments(folder / "segments.npz")
    train = segments.where(segments.split == c.split)
    test = segments.where(segments.split == "test")
    lacking = sorted({int(s) for s in test.section} - {int(s) for s in train.section})
    if lacking:
        tqdm.write(f"{name}: no SerialOE row, no {c.split} segments of section {lacking[0]}")
    found = methods.serial_oe(
        train, test, components=c.components, data=recordings.names(c.data), seed=seed,
        regularisation=c.regularisation,
    )  # fmt: skip
    write_scored(path, found, test)
    record(folder, "serial_oe", key, artefact=artefact_key(folder))


def _smooth(config: ConfigDict, name: str, folder: Path) -> None:
    c = config.smoothing
    d = config.data
    key = fingerprint(c, list(d.dev_sections), list(d.eval_sections), artefact_key(folder))
    if is_done(folder, "smoothed", key) and (folder / "smoothed.npz").is_file():
        return
    segments, _ = read_segments(folder / "segments.npz")
    test = segments.where(segments.split == "test")
    groups = smoothing_groups(config, test)
    found = methods.proposed(
        test, ks=c.ks, data=recordings.names(c.data), unit=c.unit, groups=groups,
        outside_pool=c.outside_pool, metric=c.metric,
    )  # fmt: skip
    for data in recordings.names(c.data):
        largest = max((s.size for s in found if s.data == data), default=0)
        if largest < max(c.ks):
            tqdm.write(
                f"{name}: K up to {largest} of {max(c.ks)} fits every section's pool, {data}"
            )
    write_scored(folder / "smoothed.npz", [methods.autoencoder(test), *found], test)
    record(folder, "smoothed", key, artefact=artefact_key(folder))
