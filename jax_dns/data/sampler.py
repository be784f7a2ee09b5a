"""Stateless sampling: the batch is a function of (seed, step).

Nothing here remembers where it was, so a resumed run draws what an undisturbed one would have
drawn, and a checkpoint holds no data order.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jax_dns.data.clips import Clip
from jax_dns.errors import InputError

# First words of the random streams' keys: one stream a purpose.
SPLIT, TARGET, OUTLIER, CROP = range(4)


class Split(NamedTuple):
    """Row numbers of training clips, parted in two."""

    train: Int[np.ndarray, " n"]
    valid: Int[np.ndarray, " m"]


class Draw(NamedTuple):
    """One batch: which clips, and where to crop them."""

    target: Int[np.ndarray, " a"]  # rows among the target machine's training clips
    outlier: Int[np.ndarray, " b"]  # rows among the other machines' training clips
    crop: Float[np.ndarray, " ab"]  # in [0, 1), see segments.crop_starts; targets first


def split_clips(clips: Sequence[Clip], *, seed: int, train_fraction: float = 0.85) -> Split:
    """Parts training clips into training and validation, each section by itself.

    The paper's rule (Sec. IV.A): 85 % of the source domain and two of the three target clips
    train. With another number of target clips two thirds of them train, and at least one.

    Args:
      clips: training clips of one machine type, or of several.
      seed: of the random choice.
      train_fraction: the source domain's share that trains.

    Returns:
      Row numbers into `clips`, ascending.
    """
    rng = _generator(seed, SPLIT)
    cells: dict[tuple[str, int, str], list[int]] = {}
    for row, clip in enumerate(clips):
        cells.setdefault((clip.machine, clip.section, clip.domain), []).append(row)
    train: list[int] = []
    for cell in sorted(cells):
        rows = cells[cell]
        keep = train_fraction * len(rows) if cell[2] == "source" else 2 * len(rows) / 3
        train.extend(rng.permutation(rows)[: max(1, round(keep))])
    chosen = np.sort(np.asarray(train, np.int64))
    return Split(chosen, np.setdiff1d(np.arange(len(clips)), chosen))


def steps_per_epoch(n_target: int, *, batch_size: int, outliers: bool = False) -> int:
    """Steps in one pass over the target machine's clips; half a batch is outliers if there are."""
    return -(-n_target // (batch_size // 2 if outliers else batch_size))


def draw(seed: int, step: int, *, n_target: int, n_outlier: int = 0, batch_size: int) -> Draw:
    """Batch number `step`.

    With outliers (`n_outlier` > 0) the batch is half target, half outlier clips, t^mac in the ratio
    1:1. An epoch is one pass over the target clips in an order of its own; the last batch is filled
    up from the epoch's first clips. The outliers are reshuffled each epoch, and as many are used as
    there are target clips.

    Args:
      seed: of all draws.
      step: number of the batch, from 0.
      n_target: clips of the target machine.
      n_outlier: clips of the other machines; 0 for training without them.
      batch_size: clips in a batch, even where there are outliers.

    Returns:
      Row numbers and crops.

    Raises:
      InputError: nothing to draw from, or an odd batch with outliers.
    """
    if n_target < 1:
        raise InputError("no training clips to draw from (expected at least one)")
    if n_outlier and batch_size % 2:
        raise InputError(f"batch_size: {batch_size} is odd (expected even: half is outliers)")
    per_class = batch_size // 2 if n_outlier else batch_size
    n_steps = steps_per_epoch(n_target, batch_size=batch_size, outliers=n_outlier > 0)
    epoch, place = divmod(step, n_steps)
    take = slice(place * per_class, (place + 1) * per_class)
    length = n_steps * per_class
    target = np.resize(_order(seed, TARGET, epoch, n_target), length)[take]
    outlier = np.zeros(0, np.int64)
    if n_outlier:
        outlier = np.resize(_order(seed, OUTLIER, epoch, n_outlier), length)[take]
    return Draw(target, outlier, _generator(seed, CROP, step).random(batch_size))


@functools.lru_cache(maxsize=4)
def _order(seed: int, stream: int, epoch: int, n: int) -> Int[np.ndarray, " n"]:
    return _generator(seed, stream, epoch).permutation(n)


def _generator(seed: int, stream: int, number: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, number])))
