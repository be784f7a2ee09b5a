"""The stages train_ae and train_extractor: f_G and f_D, each on training clips only."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns import components as networks
from jax_dns.components import network_settings
from jax_dns.data import device_cache as resident
from jax_dns.errors import InputError
from jax_dns.fingerprints import begin, fingerprint, is_done, record
from jax_dns.pipeline import index as recordings
from jax_dns.pipeline.index import Machine
from jax_dns.pipeline.smooth import Folders
from jax_dns.training.epochs import BATCH
from jax_dns.training.loop import is_trained
from jax_dns.training.trainers import (
    BatchSource,
    Schedule,
    TrainingClips,
    train_autoencoder,
    train_extractor,
)
from jax_dns.training.vmapped import Run, train_together

TOGETHER = "ae_together"  # in the workdir: checkpoints of all autoencoders in one
Machines = dict[str, Machine]
GetFeed = Callable[[], BatchSource]  # called only where there is something to train


def make_feed(config: ConfigDict, machines: Machines) -> BatchSource:
    """Brings all training recordings to the devices, where `data.on_device` has it so."""
    mesh = _mesh(config)
    training = [
        recording
        for machine in machines.values()
        for recording in recordings.training_clips(config, machine, 0).recordings
    ]
    segment = networks.segment_samples(config)
    wanted = config.data.on_device
    if wanted == "no" or (wanted == "auto" and not resident.fits(training, segment=segment)):
        return BatchSource(None, mesh)
    everywhere = mesh and NamedSharding(mesh, PartitionSpec())
    library = resident.upload(training, segment=segment, sharding=everywhere)
    size = library.resident.samples.nbytes / 2**30
    tqdm.write(f"{len(training)} training recordings on the device, {size:.2f} GiB")
    return BatchSource(library, mesh)


def train_autoencoders(
    config: ConfigDict, machines: Machines, folders: Folders, workdir: Path, feed: GetFeed
) -> None:
    """Trains f_G of every machine type and seed: one by one, or all as one program."""
    settings = network_settings(config, config.ae)
    waiting: list[tuple[str, Run, str]] = []
    for seed, by_name in folders.items():
        for name, folder in by_name.items():
            run = Run(_target_clips(config, machines, name, seed), seed, folder / "ae")
            key = fingerprint(settings, seed, run.data.digests)
            if not _is_trained(run.folder, key, config.ae):
                waiting.append((name, run, key))
    if not waiting:
        return
    networks.trace(config)
    for _, run, key in waiting:
        begin(run.folder, key)
    net = networks.autoencoder(config)
    segment, schedule = networks.segment_samples(config), _schedule(config, config.ae)
    if _are_trained_together(config, len(waiting)):
        runs = [run for _, run, _ in waiting]
        begin(workdir / TOGETHER, fingerprint([key for *_, key in waiting]))
        train_together(
            net.steps,
            net.score,
            runs,
            workdir / TOGETHER,
            segment=segment,
            schedule=schedule,
            title=f"{len(runs)} AEs",
            feed=feed(),
            devices=jax.devices() if jax.device_count() > 1 else (),
        )
        for _, run, key in waiting:
            record(run.folder, "done", key, settings=settings)
        return
    for name, run, key in waiting:
        train_autoencoder(
            net.steps,
            net.score,
            run.data,
            run.folder,
            seed=run.seed,
            segment=segment,
            schedule=schedule,
            title=f"{name} AE",
            feed=feed(),
        )
        record(run.folder, "done", key, settings=settings)


def train_discriminative(
    config: ConfigDict, machines: Machines, name: str, folder: Path, seed: int, feed: GetFeed
) -> None:
    """Trains f_D of one machine type and seed."""
    data = _target_clips(config, machines, name, seed)
    outliers = recordings.outlier_clips(config, machines, name, seed)
    e = config.extractor
    settings = network_settings(config, e)
    weights = networks.weights_digest(config)
    key = fingerprint(settings, seed, data.digests, [o.digests for o in outliers], weights)
    if _is_trained(folder, key, e):
        return
    if not any(len(other.split.train) for other in outliers):
        raise InputError(
            f"{name} extractor: no outlier clips (expected training clips of another machine type)"
        )
    networks.trace(config)
    begin(folder, key)
    sections = len({clip.section for clip in data.clips})
    train_extractor(
        networks.extractor(config, n_sections=sections),
        data,
        outliers,
        folder,
        seed=seed,
        segment=networks.segment_samples(config),
        schedule=_schedule(config, e),
        max_lr=e.learning_rate,
        lambda_id=e.lambda_id,
        mask_outliers=e.mask_outliers,
        embed_batch_size=e.embed_batch_size,
        title=f"{name} extractor",
        feed=feed(),
    )
    record(folder, "done", key, settings=settings, sections=sections)


def _is_trained(folder: Path, key: str, part: ConfigDict) -> bool:
    return is_done(folder, "done", key) and is_trained(folder, keep=part.keep)


def _are_trained_together(config: ConfigDict, n: int) -> bool:
    """On CPU the vmapped step takes longer than the steps one by one; each keeps its own best."""
    wanted = config.ae.together
    possible = n > 1 and config.ae.keep == "last"
    return possible and (wanted == "yes" or (wanted == "auto" and jax.default_backend() != "cpu"))


def _mesh(config: ConfigDict) -> Mesh | None:
    """The devices that share the extractor's batches; None where there is one."""
    devices, batch = jax.devices(), config.extractor.batch_size
    if len(devices) == 1:
        return None
    if batch % len(devices):
        raise InputError(
            f"extractor.batch_size: {batch}, expected a multiple of the {len(devices)} devices"
        )
    return Mesh(np.asarray(devices), (BATCH,))


def _schedule(config: ConfigDict, part: ConfigDict) -> Schedule:
    names = ("epochs", "batch_size", "validate_every", "save_every", "keep")
    return Schedule(*(part[name] for name in names), config.tensorboard, config.profile)


def _target_clips(config: ConfigDict, machines: Machines, name: str, seed: int) -> TrainingClips:
    data = recordings.training_clips(config, machines[name], seed)
    if not data.clips:
        raise InputError(
            f"{config.data.root}: {name} has no training clips, nothing to train on "
            "(expected section_SS_<domain>_train_normal_NNNN.wav)"
        )
    return data
