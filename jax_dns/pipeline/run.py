"""The paper's Fig. 2 as a pipeline: `run(config, workdir)`.

    index            recordings, decoded and cached
    train_ae         f_G on normal sound                   (training clips only)
    train_extractor  f_D on normal against other machines  (training clips only)
    embed            a_G and f_D of every segment          -> segments.npz
    fit              SerialOE: h on f_D, for every setting -> serial_oe.npz
    smooth           Eq. 7, for every K and pool           -> smoothed.npz
    select           hyperparameters on development sections
    evaluate         tables, CSV files, figures, the report

Each stage leaves its result and a fingerprint of all that it depends on, and is not run again while
that holds.
"""

import functools
import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.files import write_json, write_text
from jax_dns.fingerprints import fingerprint, is_done, record
from jax_dns.pipeline import evaluate as results
from jax_dns.pipeline import index as recordings
from jax_dns.pipeline import methods
from jax_dns.pipeline import train as training
from jax_dns.pipeline.embed import embed
from jax_dns.pipeline.index import Machine
from jax_dns.pipeline.lock import workdir_lock
from jax_dns.pipeline.smooth import artefact_key, proposed, serial_oe, write_method_results
from jax_dns.pipeline.validate_config import check
from jax_dns.pipeline.workdir import seed_folder, with_segments
from jax_dns.segments_file import read_segments

ON_SOUND = ("index", "train_ae", "train_extractor", "embed")  # the others read segments.npz
STAGES = ("index", "train_ae", "train_extractor", "embed", "fit", "smooth", "select", "evaluate")


def run(
    config: ConfigDict,
    workdir: str | Path,
    stages: Iterable[str] = STAGES,
    *,
    command: str = "",
) -> None:
    """Runs the stages in order for every machine type and seed.

    Args:
      config: see `jax_dns.config`.
      workdir: folder for everything that is made.
      stages: names from STAGES; those left out are not run, and what they once made is used.
      command: the command line, to be written down.

    Raises:
      InputError: anything in the config, the recordings or the workdir that can't be used; another
        run at work in the workdir.
    """
    stages = tuple(stages)
    for stage in stages:
        if stage not in STAGES:
            raise InputError(f"stages: {stage!r}, expected some of {','.join(STAGES)}")
    check(config)
    with workdir_lock(_made(Path(workdir))) as workdir:
        _prepare(config, workdir, command)
        _run(config, workdir, stages)


def _run(config: ConfigDict, workdir: Path, stages: tuple[str, ...]) -> None:
    machines: dict[str, Machine] = {}
    if set(stages) & set(ON_SOUND):
        machines = recordings.index(config, workdir, outliers="train_extractor" in stages)
        targets = recordings.targets(config, machines)
        for name in targets:
            tqdm.write(f"{name}: {len(machines[name].clips)} clips")
    else:
        targets = recordings.names(config.data.machines) or with_segments(config, workdir)
    folders = {
        seed: {name: seed_folder(config, workdir, seed) / name for name in targets}
        for seed in config.seeds
    }
    feed = functools.cache(lambda: training.make_feed(config, machines))
    if "train_ae" in stages:
        training.train_autoencoders(config, machines, folders, workdir, feed)
    for seed in config.seeds:
        for name in targets:
            folder = folders[seed][name]
            if "train_extractor" in stages:
                training.train_discriminative(
                    config, machines, name, folder / "extractor", seed, feed
                )
            if "embed" in stages:
                embed(config, machines[name], name, folder, seed)
            if "fit" in stages:
                _fit(config, name, folder, seed)
            if "smooth" in stages:
                _smooth(config, name, folder)
    results.report(config, workdir, folders, stages)


def _made(workdir: Path) -> Path:
    workdir = workdir.absolute()
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"workdir: {workdir} can't be made ({error.strerror})") from error
    return workdir


def _prepare(config: ConfigDict, workdir: Path, command: str) -> None:
    """Writes down what runs in the workdir, and makes the embedded data set if asked to."""
    write_text(workdir / "config.json", config.to_json(indent=1) + "\n")
    packages = ("jax-dns", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "scikit-learn")
    versions = {name: importlib.metadata.version(name) for name in packages}
    device = jax.devices()[0]
    versions |= {"python": platform.python_version(), "device": device.device_kind}
    versions["format_version"] = 1
    if command:
        versions["command"] = command
    write_json(workdir / "versions.json", versions)
    if config.factory.make and not config.data.root:
        recordings.make_factory(config, workdir)


def _fit(config: ConfigDict, name: str, folder: Path, seed: int) -> None:
    c = config.inlier
    path, key = folder / "serial_oe.npz", fingerprint(c, seed, artefact_key(folder))
    if is_done(folder, "serial_oe", key):
        return
    segments, _ = read_segments(folder / "segments.npz")
    train = segments.where(segments.split == c.split)
    test = segments.where(segments.split == "test")
    lacking = sorted({int(s) for s in test.section} - {int(s) for s in train.section})
    if lacking:
        tqdm.write(f"{name}: no SerialOE row, no {c.split} segments of section {lacking[0]}")
    write_method_results(path, serial_oe(config, segments, seed), test)
    record(folder, "serial_oe", key, files=[path], artefact=artefact_key(folder))


def _smooth(config: ConfigDict, name: str, folder: Path) -> None:
    c = config.smoothing
    d = config.data
    key = fingerprint(c, list(d.dev_sections), list(d.eval_sections), artefact_key(folder))
    if is_done(folder, "smoothed", key):
        return
    segments, _ = read_segments(folder / "segments.npz")
    test = segments.where(segments.split == "test")
    found = proposed(config, test)
    for data in recordings.names(c.data):
        largest = max((s.value for s in found if s.data == data), default=0)
        if largest < max(c.ks):
            tqdm.write(
                f"{name}: K up to {largest} of {max(c.ks)} fits every section's pool, {data}"
            )
    write_method_results(folder / "smoothed.npz", [methods.autoencoder(test), *found], test)
    files = [folder / "smoothed.npz"]
    record(folder, "smoothed", key, files=files, artefact=artefact_key(folder))
