"""Every method in every setting, as the stages fit and smooth leave it and evaluation reads it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from ml_collections import ConfigDict

from jax_dns.artefact import Clips, Segments, clips_of, read_segments
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import cells
from jax_dns.evaluation.selection import Candidate, Choice, select
from jax_dns.files import write_npz
from jax_dns.pipeline.records import recorded
from jax_dns.scoring.methods import Scored

READINGS = {"pooled": True, "by_domain": False}
TITLES = {
    "pooled": "both domains of a section pooled",
    "by_domain": "each section and domain by itself",
}
Folders = Mapping[int, Mapping[str, Path]]  # seed -> machine type -> folder


class Found(NamedTuple):
    """One machine type and seed: its test clips and every method in every setting."""

    clips: Clips
    candidates: list[Candidate]


def write_scored(path: Path, found: list[Scored], test: Segments) -> None:
    """Writes the clip scores of many settings."""
    write_npz(
        path,
        {
            "clip": clips_of(test).name,
            "method": np.asarray([s.method for s in found], str),
            "size": np.asarray([s.size for s in found], np.int32),
            "data": np.asarray([s.data for s in found], str),
            "scores": np.asarray([s.scores for s in found], np.float64),
        },
    )


def read_scored(path: Path) -> list[Scored]:
    """Reads what `write_scored` wrote; nothing where the stage hasn't run."""
    if not path.is_file():
        return []
    with np.load(path, allow_pickle=False) as file:
        columns = (file[name] for name in Scored._fields)
        return [
            Scored(str(method), int(size), str(data), scores)
            for method, size, data, scores in zip(*columns)
        ]


def find(folder: Path) -> Found:
    """Reads what fit and smooth left, and rates it."""
    segments, _ = read_segments(folder / "segments.npz")
    clips = clips_of(segments.where(segments.split == "test"))
    # Results of other segments, left by a run with other stages, say nothing of these clips.
    now = artefact_key(folder)
    scored = [
        scored
        for stage in ("serial_oe", "smoothed")
        if recorded(folder, stage).get("artefact") == now
        for scored in read_scored(folder / f"{stage}.npz")
    ]
    return Found(clips, [Candidate(*s, cells=cells(clips, s.scores)) for s in scored])


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


def choices(config: ConfigDict, found: Found, reading: str) -> list[Choice]:
    """The rows of Table II under a reading of the domains."""
    return select(
        found.candidates,
        dev_sections=config.data.dev_sections,
        eval_sections=config.data.eval_sections,
        pooled=READINGS[reading],
    )


FoundAll = Mapping[int, Mapping[str, Found]]  # seed -> machine type -> found
