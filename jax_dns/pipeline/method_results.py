"""Every method in every setting, as the stages fit and smooth leave it and evaluation reads it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jax_dns.errors import InputError
from jax_dns.evaluation.fusion import rank_fusion
from jax_dns.evaluation.hyperparameters import TableRow, select
from jax_dns.evaluation.metrics import section_metrics
from jax_dns.evaluation.results import MethodResult
from jax_dns.files import file_digest, read_npz, write_npz
from jax_dns.fingerprints import read_stamp
from jax_dns.segments_file import Clips, Segments, clips_of, read_segments

FORMAT_VERSION = 2  # of inlier.npz, smoothed.npz and baselines.npz
RESULTS = ("inlier", "smoothed")  # the files of the stages fit and smooth, and their stamps
BASELINES = "baselines"  # further rows, which the stage smooth leaves with their stamp
READINGS = {"pooled": True, "by_domain": False}
TITLES = {
    "pooled": "both domains of a section pooled",
    "by_domain": "each section and domain by itself",
}
DOMAINS = {"source": ("source",), "all": ("source", "target")}
Folders = Mapping[int, Mapping[str, Path]]  # seed -> machine type -> folder


class MachineResults(NamedTuple):
    """One machine type and seed: its test clips, and every method in every setting."""

    clips: Clips
    results: list[MethodResult]


RunResults = Mapping[int, Mapping[str, MachineResults]]  # seed -> machine type -> results


def write_method_results(path: Path, results: Sequence[MethodResult], test: Segments) -> None:
    """Writes the clip scores of many settings."""
    write_npz(
        path,
        {
            "format_version": np.asarray(FORMAT_VERSION),
            "clip": clips_of(test).name,
            "method": np.asarray([r.method for r in results], str),
            "parameter": np.asarray([r.parameter for r in results], str),
            "value": np.asarray([r.value for r in results], np.float64),
            "data": np.asarray([r.data for r in results], str),
            "scores": np.asarray([r.scores for r in results], np.float64),
            "oracle": np.asarray([r.oracle for r in results], bool),
        },
    )


def read_method_results(path: Path) -> list[MethodResult]:
    """Reads what `write_method_results` wrote; an absent file is empty.

    Raises:
      InputError: unreadable, or of another format version.
    """
    if not path.is_file():
        return []
    arrays = read_npz(path)
    version = arrays.get("format_version")
    if version is None or int(version) != FORMAT_VERSION:
        raise InputError(
            f"{path}: format_version is {version}, expected {FORMAT_VERSION} (run the stages fit "
            "and smooth again)"
        )
    columns = ("method", "parameter", "value", "data", "scores", "oracle")
    return [
        MethodResult(
            str(method),
            str(parameter),
            int(value) if value.is_integer() else float(value),
            str(data),
            scores,
            oracle=bool(oracle),
        )
        for method, parameter, value, data, scores, oracle in zip(*map(arrays.get, columns))
    ]


def load_results(folder: Path) -> MachineResults:
    """Reads what the stages fit and smooth left, and evaluates it.

    Args:
      folder: of a machine type's results.

    Returns:
      Its results, those of an earlier segments.npz left out, and the fusion of the generative and
      the discriminative score where there are both, and the baselines.
    """
    segments, _ = read_segments(folder / "segments.npz")
    clips = clips_of(segments.where(segments.split == "test"))
    current = segments_digest(folder)
    discriminative, smoothed = (
        read_method_results(folder / f"{name}.npz")
        if read_stamp(folder, name).get("segments") == current
        else []
        for name in RESULTS
    )
    results = [*discriminative, *smoothed, *rank_fusion(clips, smoothed, discriminative)]
    if read_stamp(folder, BASELINES).get("segments") == current:
        results += read_method_results(folder / f"{BASELINES}.npz")
    results = [r._replace(metrics=section_metrics(clips, r.scores)) for r in results]
    return MachineResults(clips, results)


def segments_digest(folder: Path) -> str:
    """Digests segments.npz, no matter who wrote it.

    Raises:
      InputError: there is none.
    """
    path = folder / "segments.npz"
    if not path.is_file():
        raise InputError(f"{path}: no such file (expected the stage embed to have run)")
    return file_digest(path)


def table_rows(config: ConfigDict, results: MachineResults, reading: str) -> list[TableRow]:
    """Returns the rows of Table II under a reading of the domains, a key of READINGS."""
    return select(
        results.results,
        dev_sections=config.data.dev_sections,
        eval_sections=config.data.eval_sections,
        pooled=READINGS[reading],
    )


def check_scores(name: str, scores: Iterable, n: int) -> np.ndarray:
    """Checks the scores that a component returned.

    Args:
      name: of the component, for the message.
      scores: its output.
      n: the number of items that it was given.

    Returns:
      [n] NumPy.

    Raises:
      InputError: another shape, or a value that isn't finite.
    """
    array = np.asarray(scores)
    if array.shape != (n,):
        raise InputError(
            f"component {name}: returned shape {list(array.shape)}, expected [{n}] scores"
        )
    if not np.isfinite(array).all():
        row = int((~np.isfinite(array)).argmax())
        raise InputError(f"component {name}: score {row} is {array[row]}, expected finite scores")
    return array
