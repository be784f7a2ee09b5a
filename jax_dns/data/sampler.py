"""Samples batches without state: a batch is a function of the seed and the step.

A resumed training therefore samples the batches that an uninterrupted one would have, and a
checkpoint needs no data order.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jax_dns.data.clips import Clip
from jax_dns.errors import InputError

# First words of the random streams' keys, one for each purpose.
SPLIT, TARGET, OUTLIER, CROP = range(4)


class Split(NamedTuple):
    """Row numbers of training clips, divided in two."""

    train: Int[np.ndarray, " n"]
    valid: Int[np.ndarray, " m"]


class SampledBatch(NamedTuple):
    """The clips of one batch, and where to crop them."""

    target: Int[np.ndarray, " a"]  # rows of the target machine's training clips
    outlier: Int[np.ndarray, " b"]  # rows of the other machines' training clips
    crop: Float[np.ndarray, " ab"]  # in [0, 1), for `crops.crop_starts`; target clips first


def split_clips(clips: Sequence[Clip], *, seed: int, train_fraction: float = 0.85) -> Split:
    """Divides training clips into training and validation clips, each section and domain alone.

    The paper's rule (Sec. IV.A): 85 % of the source domain and two of the three target clips
    train. With another number of target clips two thirds of them train, and at least one.

    Args:
      clips: training clips of one machine type, or of several.
      seed: seed of the random choice.
      train_fraction: the share of the source domain that trains.

    Returns:
      Row numbers of `clips`, ascending.
    """
    rng = _generator(seed, SPLIT)
    groups: dict[tuple[str, int, str], list[int]] = {}
    for row, clip in enumerate(clips):
        groups.setdefault((clip.machine, clip.section, clip.domain), []).append(row)
    train: list[int] = []
    for group in sorted(groups):
        rows = groups[group]
        n_train = train_fraction * len(rows) if group[2] == "source" else 2 * len(rows) / 3
        train.extend(rng.permutation(rows)[: max(1, round(n_train))])
    chosen = np.sort(np.asarray(train, np.int64))
    return Split(chosen, np.setdiff1d(np.arange(len(clips)), chosen))


def steps_per_epoch(n_target: int, *, batch_size: int, outliers: bool = False) -> int:
    """Returns the steps in one pass over the target machine's clips.

    Args:
      n_target: number of the target machine's clips.
      batch_size: clips in a batch.
      outliers: whether half of each batch is outliers.
    """
    return -(-n_target // (batch_size // 2 if outliers else batch_size))


def sample_batch(
    seed: int, step: int, *, n_target: int, n_outlier: int = 0, batch_size: int
) -> SampledBatch:
    """Samples the batch of one step.

    With outliers (`n_outlier` > 0) half of the batch are target clips and half outliers, t^mac in
    the ratio 1:1. An epoch is one pass over the target clips in a random order of its own; its
    last batch is filled up from the epoch's first clips. The outliers are reshuffled each epoch,
    and as many are used as there are target clips.

    Args:
      seed: seed of all batches.
      step: number of the batch, from 0.
      n_target: clips of the target machine.
      n_outlier: clips of the other machines; 0 to train without them.
      batch_size: clips in a batch; even where there are outliers.

    Returns:
      Row numbers and crops.

    Raises:
      InputError: there are no target clips, or the batch size is odd with outliers.
    """
    if n_target < 1:
        raise InputError("no training clips to sample from (expected at least one)")
    if n_outlier and batch_size % 2:
        raise InputError(f"batch_size: {batch_size} is odd (expected even: half is outliers)")
    per_class = batch_size // 2 if n_outlier else batch_size
    n_steps = steps_per_epoch(n_target, batch_size=batch_size, outliers=n_outlier > 0)
    epoch, step_in_epoch = divmod(step, n_steps)
    part = slice(step_in_epoch * per_class, (step_in_epoch + 1) * per_class)
    length = n_steps * per_class
    target = np.resize(_order(seed, TARGET, epoch, n_target), length)[part]
    outlier = np.zeros(0, np.int64)
    if n_outlier:
        outlier = np.resize(_order(seed, OUTLIER, epoch, n_outlier), length)[part]
    return SampledBatch(target, outlier, _generator(seed, CROP, step).random(batch_size))


@functools.lru_cache(maxsize=4)
def _order(seed: int, stream: int, epoch: int, n: int) -> Int[np.ndarray, " n"]:
    return _generator(seed, stream, epoch).permutation(n)


def _generator(seed: int, stream: int, number: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, number])))
