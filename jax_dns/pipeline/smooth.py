"""Every method in every setting, as the stages fit and smooth leave it and evaluation reads it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from ml_collections import ConfigDict

from jax_dns.errors import InputError
from jax_dns.evaluation.hyperparameters import TableRow, select
from jax_dns.evaluation.metrics import section_metrics
from jax_dns.evaluation.results import MethodResult
from jax_dns.files import read_npz, write_npz
from jax_dns.fingerprints import recorded
from jax_dns.pipeline import methods
from jax_dns.pipeline.index import names
from jax_dns.segments_file import Clips, Segments, clips_of, read_segments

FORMAT_VERSION = 2  # of serial_oe.npz and smoothed.npz
READINGS = {"pooled": True, "by_domain": False}
TITLES = {
    "pooled": "both domains of a section pooled",
    "by_domain": "each section and domain by itself",
}
Folders = Mapping[int, Mapping[str, Path]]  # seed -> machine type -> folder


class MachineResults(NamedTuple):
    """One machine type and seed: its test clips and every method in every setting."""

    clips: Clips
    candidates: list[MethodResult]


def write_method_results(path: Path, found: list[MethodResult], test: Segments) -> None:
    """Writes the clip scores of many settings."""
    write_npz(
        path,
        {
            "format_version": np.asarray(FORMAT_VERSION),
            "clip": clips_of(test).name,
            "method": np.asarray([s.method for s in found], str),
            "parameter": np.asarray([s.parameter for s in found], str),
            "value": np.asarray([s.value for s in found], np.float64),
            "data": np.asarray([s.data for s in found], str),
            "scores": np.asarray([s.scores for s in found], np.float64),
            "oracle": np.asarray([s.oracle for s in found], bool),
        },
    )


def read_method_results(path: Path) -> list[MethodResult]:
    """Reads what `write_method_results` wrote; nothing where the stage hasn't run.

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


def find(folder: Path) -> MachineResults:
    """Reads what fit and smooth left, and rates it."""
    segments, _ = read_segments(folder / "segments.npz")
    clips = clips_of(segments.where(segments.split == "test"))
    # Results of other segments, left by a run with other stages, say nothing of these clips.
    now = artefact_key(folder)
    results = [
        result._replace(metrics=section_metrics(clips, result.scores))
        for stage in ("serial_oe", "smoothed")
        if recorded(folder, stage).get("artefact") == now
        for result in read_method_results(folder / f"{stage}.npz")
    ]
    return MachineResults(clips, results)


def artefact_key(folder: Path) -> str:
    """Digest of segments.npz itself, whoever wrote it."""
    path = folder / "segments.npz"
    if not path.is_file():
        raise InputError(f"{path}: no such file (expected the stage embed to have run)")
    return hashlib.blake2b(path.read_bytes(), digest_size=12).hexdigest()


def smoothing_groups(config: ConfigDict, test: Segments) -> Int[np.ndarray, " n"]:
    """Whose neighbours may be whose, as `config.smoothing` reads the paper."""
    c = config.smoothing
    if c.groups == "section":
        return test.section
    if c.history == "all":
        return np.zeros_like(test.section)
    return np.isin(test.section, config.data.eval_sections).astype(np.int32)


def serial_oe(config: ConfigDict, segments: Segments, seed: int) -> list[MethodResult]:
    """SerialOE for every number of clusters and domain fitted on, as `config.inlier` has it."""
    c = config.inlier
    return methods.serial_oe(
        segments.where(segments.split == c.split),
        segments.where(segments.split == "test"),
        components=c.components,
        data=names(c.data),
        seed=seed,
        regularisation=c.regularisation,
    )


def proposed(config: ConfigDict, test: Segments) -> list[MethodResult]:
    """Eq. 7 for every K and pool, as `config.smoothing` reads the paper."""
    c = config.smoothing
    return methods.proposed(
        test,
        ks=c.ks,
        data=names(c.data),
        unit=c.unit,
        groups=smoothing_groups(config, test),
        outside_pool=c.outside_pool,
        metric=c.metric,
        same_clip=c.same_clip,
    )


def choices(config: ConfigDict, found: MachineResults, reading: str) -> list[TableRow]:
    """The rows of Table II under a reading of the domains."""
    return select(
        found.candidates,
        dev_sections=config.data.dev_sections,
        eval_sections=config.data.eval_sections,
        pooled=READINGS[reading],
    )


RunResults = Mapping[int, Mapping[str, MachineResults]]  # seed -> machine type -> found
