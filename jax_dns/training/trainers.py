"""The two trainings of one machine type: from recordings to a trained state."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_dns.data.clips import Clip
from jax_dns.data.crops import crop_starts, read_segments
from jax_dns.data.device_cache import DeviceCache, Recording
from jax_dns.data.sampler import Split, sample_batch, steps_per_epoch
from jax_dns.errors import InputError
from jax_dns.training.epochs import Epoch, Plan, from_cache, on_device
from jax_dns.training.loop import fit
from jax_dns.training.losses import serial_oe_loss
from jax_dns.training.optimizers import OneCycle, one_cycle
from jax_dns.training.steps import AutoencoderSteps, ExtractorSteps, TrainState


class TrainingClips(NamedTuple):
    """Training recordings of one machine type."""

    clips: list[Clip]
    recordings: list[Recording]
    split: Split

    @property
    def digests(self) -> list[list[str]]:
        """What the recordings are, for fingerprints: name and digest of the samples."""
        return [
            [clip.name, store.digest[row]]
            for clip, (store, row) in zip(self.clips, self.recordings)
        ]


class Schedule(NamedTuple):
    """How long to train and what to keep; fields as in the config."""

    epochs: int
    batch_size: int
    validate_every: int
    save_every: int
    keep: str
    tensorboard: bool = False
    profile: bool = False


def random_crops(
    recordings: Sequence[Recording], uniform: np.ndarray, *, segment: int
) -> np.ndarray:
    """One crop of each recording, [b, segment]; see `segments.crop_starts` for `uniform`."""
    starts = crop_starts(_lengths(recordings), uniform, segment=segment)
    return read_segments(recordings, starts, segment=segment)


def center_crops(recordings: Sequence[Recording], *, segment: int) -> np.ndarray:
    """Each recording's middle crop, what validation looks at."""
    return random_crops(recordings, np.full(len(recordings), 0.5), segment=segment)


def map_batches(function: Any, *arrays: np.ndarray, size: int) -> Any:
    """Applies a compiled function to batches of one size, the last one filled up and cut off."""
    n = len(arrays[0])
    outs = []
    for first in range(0, n, size):
        rows = np.minimum(np.arange(first, first + size), n - 1)
        outs.append(function(*(x[rows] for x in arrays)))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:n], *outs)


class BatchSource(NamedTuple):
    """Where batches come from and go to."""

    library: DeviceCache | None = (
        None  # all training recordings on the device; None: from the cache
    )
    mesh: Mesh | None = None  # devices that share the extractor's batches; None: one device


FROM_CACHE = BatchSource()


def train_autoencoder(
    steps: AutoencoderSteps,
    score: Any,
    data: TrainingClips,
    folder: Path,
    *,
    seed: int,
    segment: int,
    schedule: Schedule,
    title: str,
    feed: BatchSource = FROM_CACHE,
) -> TrainState:
    """Trains f_G on one machine's normal sound, or takes up where an earlier run stopped."""
    train = [data.recordings[i] for i in data.split.train]
    plan = autoencoder_plan(train, seed=seed, batch_size=schedule.batch_size, segment=segment)
    validate = autoencoder_validation(score, data, segment=segment, schedule=schedule)
    return _fit(
        lambda: steps.create(jax.random.key(seed)),
        _epoch(steps.train, train, plan, segment, feed._replace(mesh=None)),
        folder,
        schedule,
        steps_per_epoch(len(train), batch_size=schedule.batch_size),
        validate,
        title,
    )


def autoencoder_plan(
    train: Sequence[Recording], *, seed: int, batch_size: int, segment: int
) -> Callable[[int], Plan]:
    """Number of a step -> its batch, for the autoencoder."""
    lengths = _lengths(train)

    def plan(number: int) -> Plan:
        batch = sample_batch(seed, number, n_target=len(train), batch_size=batch_size)
        starts = crop_starts(lengths[batch.target], batch.crop, segment=segment)
        return Plan(batch.target, starts)

    return plan


def autoencoder_validation(
    score: Any, data: TrainingClips, *, segment: int, schedule: Schedule
) -> Callable[[TrainState], float] | None:
    """State -> mean error of the validation clips' middles; None without such clips."""
    valid = center_crops([data.recordings[i] for i in data.split.valid], segment=segment)

    def validate(state: TrainState) -> float:
        errors = map_batches(
            lambda audio: score(state.variables, audio), valid, size=schedule.batch_size
        )
        return float(errors.mean())

    return validate if len(valid) else None


def train_extractor(
    steps: ExtractorSteps,
    data: TrainingClips,
    outliers: Sequence[TrainingClips],
    folder: Path,
    *,
    seed: int,
    segment: int,
    schedule: Schedule,
    max_lr: float,
    lambda_id: float,
    mask_outliers: bool,
    embed_batch_size: int,
    title: str,
    feed: BatchSource = FROM_CACHE,
) -> TrainState:
    """Trains f_D on one machine's normal sound against other machines', or goes on with it."""
    train = [data.recordings[i] for i in data.split.train]
    others = [o.recordings[i] for o in outliers for i in o.split.train]
    if not others:
        raise InputError(
            f"{title}: no outlier clips (expected training clips of another machine type)"
        )
    sections = sorted({clip.section for clip in data.clips})
    one_hot = np.eye(len(sections), dtype=np.float32)
    place = np.asarray([sections.index(clip.section) for clip in data.clips])
    lengths = _lengths(train + others)
    n_outlier = schedule.batch_size // 2
    per_epoch = steps_per_epoch(len(train), batch_size=schedule.batch_size, outliers=True)
    n_steps = per_epoch * schedule.epochs

    def labels(rows: np.ndarray, n_others: int) -> tuple[np.ndarray, np.ndarray]:
        machine = np.repeat(np.float32([1, 0]), [len(rows), n_others])
        blank = np.zeros((n_others, len(sections)), np.float32)
        return machine, np.concatenate([one_hot[place[rows]], blank])

    def plan(number: int) -> Plan:
        batch = sample_batch(
            seed,
            number,
            n_target=len(train),
            n_outlier=len(others),
            batch_size=schedule.batch_size,
        )
        rows = np.concatenate([batch.target, len(train) + batch.outlier])
        starts = crop_starts(lengths[rows], batch.crop, segment=segment)
        cycle = OneCycle(*map(np.float32, one_cycle(number, n_steps, max_lr=max_lr)))
        return Plan(
            rows,
            starts,
            (np.uint32(seed), *labels(data.split.train[batch.target], n_outlier), cycle),
        )

    valid_others = [o.recordings[i] for o in outliers for i in o.split.valid]
    spread = np.linspace(0, len(valid_others), len(data.split.valid), endpoint=False, dtype=int)
    valid_others = [valid_others[i] for i in np.unique(spread)] if valid_others else []
    valid = [data.recordings[i] for i in data.split.valid] + valid_others
    valid_audio = center_crops(valid, segment=segment)
    valid_machine, valid_section = labels(data.split.valid, len(valid_others))

    def validate(state: TrainState) -> float:
        out = map_batches(
            lambda audio: steps.extract(state.variables, audio), valid_audio, size=embed_batch_size
        )
        return float(
            serial_oe_loss(
                out.machine_logit,
                out.section_logit,
                valid_machine,
                valid_section,
                lambda_id=lambda_id,
                mask_outliers=mask_outliers,
            )[0]
        )

    def create() -> TrainState:
        everywhere = feed.mesh and NamedSharding(feed.mesh, PartitionSpec())
        return jax.jit(steps.create, out_shardings=everywhere)(jax.random.key(seed))

    return _fit(
        create,
        _epoch(steps.train, train + others, plan, segment, feed),
        folder,
        schedule,
        per_epoch,
        validate if valid else None,
        title,
    )


def _lengths(recordings: Sequence[Recording]) -> np.ndarray:
    return np.asarray([store.length[row] for store, row in recordings])


def _epoch(step, recordings, plan, segment: int, feed: BatchSource) -> Epoch:
    if feed.library is None:
        return from_cache(step, recordings, plan, segment=segment, mesh=feed.mesh)
    return on_device(step, feed.library, recordings, plan, segment=segment, mesh=feed.mesh)


def _fit(create, epoch, folder, schedule, per_epoch, validate, title) -> TrainState:
    return fit(
        create,
        epoch,
        folder=folder,
        epochs=schedule.epochs,
        steps_per_epoch=per_epoch,
        clips_per_step=schedule.batch_size,
        validate=validate,
        validate_every=schedule.validate_every,
        save_every=schedule.save_every,
        keep=schedule.keep,
        tensorboard=schedule.tensorboard,
        profile=schedule.profile,
        title=title,
    )
