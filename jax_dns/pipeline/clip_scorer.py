"""Scores one recording at a time with a finished run's components, which are restored once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from ml_collections import ConfigDict

from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.crops import read_segments, segment_table
from jax_dns.data.decode import Format
from jax_dns.errors import InputError
from jax_dns.files import bytes_digest
from jax_dns.fingerprints import fingerprint
from jax_dns.pipeline.embed import KINDS, Applied, restore_component, stamp_of
from jax_dns.pipeline.index import hop_samples, segment_samples
from jax_dns.pipeline.training_tasks import describe, model_folder
from jax_dns.pipeline.workdir import machine_folders, machines_with_segments, read_config
from jax_dns.segments_file import Segments
from jax_dns.segments_file import read_segments as read_segments_file
from jax_dns.types import StoredFeatures

BATCH_SIZES = (1, 2, 4, 8)  # one compiled program each; longer recordings take several of 8
Score = Callable[
    [Shaped[np.ndarray, " t"], int],
    tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s d"]],
]


class ClipScorer(NamedTuple):
    """A machine type's trained components, and the segments that they were trained and tested on.

    Attributes:
      machine: the machine type.
      model: digest of the components and of how segments are cut.
      segments: the run's, training and test.
      audio_format: the sound that `score` expects.
      aggregate: how a clip's segment scores become its score, see `clip_scores`.
      typical_samples: length of most of the run's clips.
      score: (samples [t], section) -> a_G [s] and f_D [s, d] of the segments.
    """

    machine: str
    model: str
    segments: Segments
    audio_format: Format
    aggregate: str
    typical_samples: int
    score: Score


def open_scorers(
    trained: Path, *, seed: int | None = None, machines: Sequence[str] = ()
) -> dict[str, ClipScorer]:
    """Restores the components of a finished run.

    Args:
      trained: workdir of the run.
      seed: of the training; None: the run's first.
      machines: the machine types to restore; none means all of the run.

    Returns:
      Scorers by machine type.

    Raises:
      InputError: a folder that isn't a finished run, a component that isn't trained, or a config
        that needs more than the recording itself.
    """
    config = read_config(trained)
    seed = config.seeds[0] if seed is None else seed
    if seed not in config.seeds:
        raise InputError(f"seed: {seed}, expected one of {', '.join(map(str, config.seeds))}")
    if config.data.standardise != "recording":
        raise InputError(
            f"{trained}: data.standardise is {config.data.standardise!r}, expected 'recording' to "
            "score recordings one at a time"
        )
    if isinstance(describe(config, "discriminative"), StoredFeatures):
        raise InputError(f"{trained}: f_D was computed elsewhere, expected a trained component")
    known = machines_with_segments(config, trained)
    for name in machines:
        if name not in known:
            raise InputError(f"machines: {name}, expected some of {', '.join(known)}")
    folders = machine_folders(config, trained, [*machines] or known)
    return {name: _open(config, name, folder) for name, folder in folders[seed].items()}


def _open(config: ConfigDict, name: str, folder: Path) -> ClipScorer:
    segments, _ = read_segments_file(folder / "segments.npz")
    stamps = {kind: stamp_of(config, kind, name, folder) for kind in KINDS}
    components = [
        restore_component(config, kind, model_folder(config, kind, folder), stamps[kind])
        for kind in KINDS
    ]
    d = config.data
    model = fingerprint(stamps, d.segment_seconds, d.segment_hop_seconds)
    segment, hop = segment_samples(config), hop_samples(config)
    score = scorer(name, *components, segment=segment, hop=hop)
    audio_format = Format(d.sample_rate, d.channel, d.resample)
    n_segments = int(np.median(np.unique(segments.clip, return_counts=True)[1]))
    typical = segment + hop * (n_segments - 1)
    return ClipScorer(
        name, model, segments, audio_format, config.smoothing.aggregate, typical, score
    )


def scorer(
    machine: str, generative: Applied, discriminative: Applied, *, segment: int, hop: int
) -> Score:
    """Returns a function that scores one recording.

    Args:
      machine: the machine type, for messages.
      generative: the component for a_G.
      discriminative: the component for f_D.
      segment: samples.
      hop: samples between segments.
    """

    def score(samples, section):
        functions = generative.of(section), discriminative.of(section)
        store = single_recording(samples)
        _, number = segment_table(store.length, segment=segment, hop=hop)
        parts = []
        for first in range(0, len(number), BATCH_SIZES[-1]):
            rows = number[first : first + BATCH_SIZES[-1]]
            size = min(s for s in BATCH_SIZES if s >= len(rows))
            starts = np.resize(rows, size) * hop
            audio = read_segments([(store, 0)] * size, starts, segment=segment)
            outputs = [function(audio) for function in functions]
            parts.append([np.asarray(x, np.float32)[: len(rows)] for x in outputs])
        scores, features = (np.concatenate(part) for part in zip(*parts))
        if not (np.isfinite(scores).all() and np.isfinite(features).all()):
            raise InputError(f"{machine}: a_G or f_D isn't finite, expected finite values")
        return scores, features

    return score


def single_recording(samples: Shaped[np.ndarray, " t"]) -> AudioStore:
    """Returns a store of one recording, standardised by its own mean and variance."""
    wide = samples.astype(np.float64)
    return AudioStore(
        samples,
        np.zeros(1, np.int64),
        np.asarray([len(samples)], np.int64),
        np.asarray([wide.mean()]),
        np.asarray([wide.std()]),
        (bytes_digest(samples.tobytes()),),
    )
