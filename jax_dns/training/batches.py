"""The batches of a training: which clips, which crops, which labels; and its validation."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jax_dns.data.clips import Clip
from jax_dns.data.crops import crop_starts, read_segments
from jax_dns.data.device_cache import Recording
from jax_dns.data.sampler import Split, sample_batch, steps_per_epoch
from jax_dns.errors import InputError
from jax_dns.training.epochs import BatchSpec
from jax_dns.training.steps import TrainState, jitted_validation
from jax_dns.types import Batch, GradientModel

OUTLIER = -1  # an outlier's section label


class TrainingClips(NamedTuple):
    """Training recordings, of one machine type as a rule."""

    clips: list[Clip]
    recordings: list[Recording]
    split: Split

    @property
    def digests(self) -> list[list[str]]:
        """Name and digest of the samples of each recording, for fingerprints."""
        return [
            [clip.name, store.digest[row]]
            for clip, (store, row) in zip(self.clips, self.recordings)
        ]


class TrainingData(NamedTuple):
    """What one training sees."""

    target: TrainingClips
    outliers: tuple[TrainingClips, ...] = ()  # other machine types' clips

    @property
    def section_classes(self) -> list[tuple[str, int]]:
        """Machine type and section of each class of t^id."""
        return sorted({(clip.machine, clip.section) for clip in self.target.clips})

    @property
    def machine_classes(self) -> list[str]:
        """Machine types, outliers' among them."""
        sources = (self.target, *self.outliers)
        return sorted({clip.machine for source in sources for clip in source.clips})

    @property
    def n_labels(self) -> tuple[tuple[str, int], ...]:
        """Classes of each of a batch's labels, for `Facts`."""
        sizes = (len(self.machine_classes), len(self.section_classes), 2)
        return tuple(zip(("machine", "section", "domain"), sizes))


class Schedule(NamedTuple):
    """Length of a training, and what it saves; fields as in the config."""

    epochs: int
    batch_size: int  # segments
    validate_every: int  # epochs
    save_every: int  # epochs
    checkpoint: str  # "last" or "best"
    eval_batch_size: int = 64  # segments
    tensorboard: bool = False
    profile: bool = False


def join_clips(parts: Sequence[TrainingClips]) -> TrainingClips:
    """Joins the training clips of several machine types, each with its own split."""
    offsets = np.cumsum([0, *(len(part.clips) for part in parts)])
    split = Split(
        *(
            np.concatenate([offset + rows for offset, rows in zip(offsets, column)])
            for column in zip(*(part.split for part in parts))
        )
    )
    return TrainingClips(
        [clip for part in parts for clip in part.clips],
        [recording for part in parts for recording in part.recordings],
        split,
    )


def random_crops(
    recordings: Sequence[Recording], uniform: np.ndarray, *, segment: int
) -> np.ndarray:
    """Reads one crop of each recording, [b, segment]; see `crops.crop_starts` for `uniform`."""
    starts = crop_starts(_lengths(recordings), uniform, segment=segment)
    return read_segments(recordings, starts, segment=segment)


def center_crops(recordings: Sequence[Recording], *, segment: int) -> np.ndarray:
    """Reads each recording's middle crop, which validation uses."""
    return random_crops(recordings, np.full(len(recordings), 0.5), segment=segment)


def map_batches(function: Callable[..., Any], *arrays: Any, size: int) -> Any:
    """Applies a compiled function to batches of one size; the last one is padded and cut.

    Args:
      function: batches of each of the arrays -> a pytree of arrays.
      *arrays: pytrees of arrays with n rows each.
      size: rows of a batch.

    Returns:
      What the function gives for all n rows.
    """
    n = len(jax.tree.leaves(arrays)[0])
    outputs = []
    for first in range(0, n, size):
        rows = np.minimum(np.arange(first, first + size), n - 1)
        outputs.append(function(*jax.tree.map(lambda x, rows=rows: x[rows], arrays)))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:n], *outputs)


def check_outliers(model: GradientModel, data: TrainingData, title: str) -> None:
    """Raises InputError where a model needs outlier clips and there are none."""
    if uses_outliers(model) and not any(len(other.split.train) for other in data.outliers):
        raise InputError(
            f"{title}: no outlier clips (expected training clips of another machine type)"
        )


def uses_outliers(model: GradientModel) -> bool:
    """Returns whether half of each batch is outliers."""
    return model.scope == "target+outliers"


def training_recordings(model: GradientModel, data: TrainingData) -> list[Recording]:
    """Lists the recordings that rows of `batch_plan` index: the target's, then outliers'."""
    outliers = data.outliers if uses_outliers(model) else ()
    return [source.recordings[i] for source in (data.target, *outliers) for i in source.split.train]


def epoch_steps(model: GradientModel, data: TrainingData, schedule: Schedule) -> int:
    """Returns the steps of one epoch, a pass over the target's training clips."""
    return steps_per_epoch(
        len(data.target.split.train),
        batch_size=schedule.batch_size,
        outliers=uses_outliers(model),
    )


def batch_plan(
    model: GradientModel, data: TrainingData, *, seed: int, schedule: Schedule, segment: int
) -> Callable[[int], BatchSpec]:
    """Makes the function that tells a step's batch.

    Args:
      model: the component.
      data: what it trains on.
      seed: of the batches.
      schedule: see `Schedule`.
      segment: samples.

    Returns:
      Number of a step -> its batch; rows index `training_recordings`.
    """
    recordings = training_recordings(model, data)
    lengths, n_target = _lengths(recordings), len(data.target.split.train)
    n_outlier = len(recordings) - n_target
    is_target, section, labels = _labels(model, data, "train")
    n_steps = epoch_steps(model, data, schedule) * schedule.epochs

    def plan(number: int) -> BatchSpec:
        batch = sample_batch(
            seed,
            number,
            n_target=n_target,
            n_outlier=n_outlier,
            batch_size=schedule.batch_size,
        )
        rows = np.concatenate([batch.target, n_target + batch.outlier])
        values = model.schedule(number, n_steps) if model.schedule else {}
        return BatchSpec(
            rows,
            crop_starts(lengths[rows], batch.crop, segment=segment),
            (
                np.uint32(seed),
                is_target[rows],
                section[rows],
                {name: column[rows] for name, column in labels.items()},
                {name: np.float32(value) for name, value in values.items()},
            ),
        )

    return plan


def validation(
    model: GradientModel, data: TrainingData, *, segment: int, schedule: Schedule
) -> Callable[[TrainState], float] | None:
    """Makes the function state -> mean loss of the validation clips' middle crops.

    As many outliers as target clips take part, spread over the machine types.

    Returns:
      None where there are no validation clips.
    """
    is_target, section, labels = _labels(model, data, "valid")
    recordings = [data.target.recordings[i] for i in data.target.split.valid]
    n_target = len(recordings)
    rows = np.arange(n_target)
    if uses_outliers(model):
        outliers = [o.recordings[i] for o in data.outliers for i in o.split.valid]
        spread = np.linspace(0, len(outliers), n_target, endpoint=False, dtype=int)
        chosen = np.unique(spread) if outliers else spread[:0]
        recordings += [outliers[i] for i in chosen]
        rows = np.concatenate([rows, n_target + chosen])
    if not recordings:
        return None
    labels = {name: column[rows] for name, column in labels.items()}
    audio = center_crops(recordings, segment=segment)
    batch = Batch(audio, is_target[rows], section[rows], labels)
    loss = jitted_validation(model)

    def validate(state: TrainState) -> float:
        losses = map_batches(
            lambda batch: loss(state.variables, batch), batch, size=schedule.eval_batch_size
        )
        return float(losses.mean())

    return validate


def _labels(
    model: GradientModel, data: TrainingData, part: str
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Builds t^mac, t^id and the labels of the clips of one part of the split, outliers last."""
    target = [data.target.clips[i] for i in getattr(data.target.split, part)]
    outliers = []
    if uses_outliers(model):
        outliers = [o.clips[i] for o in data.outliers for i in getattr(o.split, part)]
    clips, classes = target + outliers, data.section_classes
    number = {label: i for i, label in enumerate(classes)}
    index = [number[clip.machine, clip.section] for clip in target] + [OUTLIER] * len(outliers)
    section = np.zeros((len(clips), len(classes)), np.float32)
    section[np.arange(len(target)), index[: len(target)]] = 1
    machines = data.machine_classes
    labels = {
        "machine": np.asarray([machines.index(clip.machine) for clip in clips], np.int32),
        "section": np.asarray(index, np.int32),
        "domain": np.asarray([clip.domain == "target" for clip in clips], np.int32),
    }
    is_target = np.repeat(np.float32([1, 0]), [len(target), len(outliers)])
    return is_target, section, labels


def _lengths(recordings: Sequence[Recording]) -> np.ndarray:
    return np.asarray([store.length[row] for store, row in recordings])
