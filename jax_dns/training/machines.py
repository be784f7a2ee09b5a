"""The two trainings of one machine type: from recordings to a trained state."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jax_dns.data.audio import AudioStore
from jax_dns.data.clips import Clip
from jax_dns.data.sampler import Split, draw, steps_per_epoch
from jax_dns.data.segments import crop_starts, cut
from jax_dns.errors import InputError
from jax_dns.training.loop import fit
from jax_dns.training.losses import serial_oe_loss
from jax_dns.training.optimizers import one_cycle
from jax_dns.training.steps import AutoencoderSteps, ExtractorSteps, TrainState


class TrainingClips(NamedTuple):
    """Training recordings of one machine type."""

    clips: list[Clip]
    recordings: list[tuple[AudioStore, int]]
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
    tensorboard: bool


def crops(
    recordings: Sequence[tuple[AudioStore, int]], uniform: np.ndarray, *, segment: int
) -> np.ndarray:
    """One crop of each recording, [b, segment]; see `segments.crop_starts` for `uniform`."""
    lengths = np.asarray([store.length[row] for store, row in recordings])
    return cut(recordings, crop_starts(lengths, uniform, segment=segment), segment=segment)


def middles(recordings: Sequence[tuple[AudioStore, int]], *, segment: int) -> np.ndarray:
    """Each recording's middle crop, what validation looks at."""
    return crops(recordings, np.full(len(recordings), 0.5), segment=segment)


def in_batches(function: Any, *arrays: np.ndarray, size: int) -> Any:
    """Applies a compiled function to batches of one size, the last one filled up and cut off."""
    n = len(arrays[0])
    outs = []
    for first in range(0, n, size):
        rows = np.minimum(np.arange(first, first + size), n - 1)
        outs.append(function(*(x[rows] for x in arrays)))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:n], *outs)


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
) -> TrainState:
    """Trains f_G on one machine's normal sound, or takes up where an earlier run stopped."""
    train = [data.recordings[i] for i in data.split.train]
    valid = middles([data.recordings[i] for i in data.split.valid], segment=segment)

    def step(state: TrainState, number: int) -> tuple[TrainState, Any]:
        batch = draw(seed, number, n_target=len(train), batch_size=schedule.batch_size)
        return steps.train(
            state, crops([train[i] for i in batch.target], batch.crop, segment=segment)
        )

    def validate(state: TrainState) -> float:
        errors = in_batches(
            lambda audio: score(state.variables, audio), valid, size=schedule.batch_size
        )
        return float(errors.mean())

    return _fit(
        lambda: steps.create(jax.random.key(seed)), step, folder, schedule,
        steps_per_epoch(len(train), batch_size=schedule.batch_size),
        validate if len(valid) else None, title,
    )  # fmt: skip


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
    n_outlier = schedule.batch_size // 2
    per_epoch = steps_per_epoch(len(train), batch_size=schedule.batch_size, outliers=True)
    n_steps = per_epoch * schedule.epochs
    # Apart from the stream of the first parameters.
    step_key = jax.random.fold_in(jax.random.key(seed), 1)

    def labels(rows: np.ndarray, n_others: int) -> tuple[np.ndarray, np.ndarray]:
        machine = np.repeat(np.float32([1, 0]), [len(rows), n_others])
        blank = np.zeros((n_others, len(sections)), np.float32)
        return machine, np.concatenate([one_hot[place[rows]], blank])

    def step(state: TrainState, number: int) -> tuple[TrainState, Any]:
        batch = draw(
            seed, number, n_target=len(train), n_outlier=len(others),
            batch_size=schedule.batch_size,
        )  # fmt: skip
        chosen = [train[i] for i in batch.target] + [others[i] for i in batch.outlier]
        audio = crops(chosen, batch.crop, segment=segment)
        machine, section = labels(data.split.train[batch.target], n_outlier)
        cycle = one_cycle(number, n_steps, max_lr=max_lr)
        return steps.train(state, step_key, audio, machine, section, cycle)

    valid_others = [o.recordings[i] for o in outliers for i in o.split.valid]
    spread = np.linspace(0, len(valid_others), len(data.split.valid), endpoint=False, dtype=int)
    valid_others = [valid_others[i] for i in np.unique(spread)] if valid_others else []
    valid = [data.recordings[i] for i in data.split.valid] + valid_others
    valid_audio = middles(valid, segment=segment)
    valid_machine, valid_section = labels(data.split.valid, len(valid_others))

    def validate(state: TrainState) -> float:
        out = in_batches(
            lambda audio: steps.extract(state.variables, audio), valid_audio, size=embed_batch_size
        )
        return float(
            serial_oe_loss(
                out.machine_logit, out.section_logit, valid_machine, valid_section,
                lambda_id=lambda_id, mask_outliers=mask_outliers,
            )[0]
        )  # fmt: skip

    return _fit(
        lambda: steps.create(jax.random.key(seed)), step, folder, schedule,
        per_epoch, validate if valid else None, title,
    )  # fmt: skip


def _fit(create, step, folder, schedule, per_epoch, validate, title) -> TrainState:
    return fit(
        create, step, folder=folder, epochs=schedule.epochs, steps_per_epoch=per_epoch,
        clips_per_step=schedule.batch_size, validate=validate,
        validate_every=schedule.validate_every, save_every=schedule.save_every,
        keep=schedule.keep, tensorboard=schedule.tensorboard, title=title,
    )  # fmt: skip
