"""Models that are fitted once, without gradients: their training input and their file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from jax_dns.data.crops import read_segments, segment_table
from jax_dns.data.device_cache import Recording
from jax_dns.errors import InputError
from jax_dns.files import read_npz, write_npz
from jax_dns.training.batches import TrainingClips
from jax_dns.types import FittedModel, Variables

FILE = "fitted.npz"
MACHINE = ""  # the key of a model of the whole machine type


@dataclass(frozen=True)
class SegmentBatches:
    """All segments of some recordings, batch by batch; can be iterated several times."""

    recordings: Sequence[Recording]
    in_target: Sequence[bool]  # whether each recording is of the target domain
    segment: int  # samples
    hop: int  # samples
    batch_size: int

    def __iter__(self) -> Iterator[Float[np.ndarray, "b t"]]:
        rows, numbers = self._table()
        for first in range(0, len(rows), self.batch_size):
            part = slice(first, first + self.batch_size)
            recordings = [self.recordings[i] for i in rows[part]]
            yield read_segments(recordings, numbers[part] * self.hop, segment=self.segment)

    @property
    def is_target_domain(self) -> Bool[np.ndarray, " n"]:
        """Which of all segments, in order, are of the target domain."""
        rows, _ = self._table()
        return np.asarray(self.in_target, bool)[rows]

    def _table(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        """Returns each segment's recording and its number there."""
        lengths = np.asarray([store.length[row] for store, row in self.recordings])
        return segment_table(lengths, segment=self.segment, hop=self.hop)


def fit_model(
    model: FittedModel,
    data: TrainingClips,
    folder: Path,
    *,
    seed: int,
    segment: int,
    hop: int,
    batch_size: int,
) -> Path:
    """Fits a model to the training clips and writes its arrays.

    Args:
      model: the component.
      data: training clips; those of `data.split.train` are used.
      folder: for the file.
      seed: given to the model.
      segment: samples.
      hop: samples between segments.
      batch_size: segments in a batch.

    Returns:
      The file.

    Raises:
      InputError: the model gives something else than a flat dict of finite arrays.
    """
    arrays = {}
    for key, rows in _groups(model, data).items():
        recordings = [data.recordings[i] for i in rows]
        in_target = [data.clips[i].domain == "target" for i in rows]
        batches = SegmentBatches(recordings, in_target, segment, hop, batch_size)
        variables = model.fit(batches, seed)
        if not isinstance(variables, dict):
            raise InputError(
                f"component {model.name}: fit returned {type(variables).__name__}, "
                "expected a dict of arrays"
            )
        for name, value in variables.items():
            array = np.asarray(value)
            if array.dtype == object or not np.isfinite(array).all():
                raise InputError(f"component {model.name}: {name} isn't a finite array")
            arrays[f"{key}/{name}"] = array
    write_npz(folder / FILE, arrays)
    return folder / FILE


def read_fitted(folder: Path) -> dict[str, Variables]:
    """Reads what `fit_model` wrote.

    Returns:
      Variables by section number as text, or under MACHINE alone.

    Raises:
      InputError: the file can't be read.
    """
    models: dict[str, dict] = {}
    for path, array in read_npz(folder / FILE).items():
        key, _, name = path.partition("/")
        models.setdefault(key, {})[name] = array
    return models


def _groups(model: FittedModel, data: TrainingClips) -> dict[str, list[int]]:
    """Lists the training clips of each model to fit."""
    groups: dict[str, list[int]] = {}
    for row in data.split.train.tolist():
        key = str(data.clips[row].section) if model.per_section else MACHINE
        groups.setdefault(key, []).append(row)
    return groups
