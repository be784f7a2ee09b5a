"""Cards of single clips: those that smoothing moved most, and the most anomalous."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from jax_dns.data.decode import Format, decode
from jax_dns.errors import InputError
from jax_dns.pipeline.index import find_clips
from jax_dns.report.encode_audio import encode
from jax_dns.report.page import ClipCard
from jax_dns.report.pictures import data_uri
from jax_dns.report.rank_changes import RankChanges, rank_changes
from jax_dns.report.score_strips import ScoreStrip
from jax_dns.report.spectrograms import SECONDS, log_mel, spectrogram_png
from jax_dns.segments_file import Clips

COUNT = 10  # clips a machine type
LOSSLESS = 5_000_000  # bytes of 16-bit samples up to which sound goes in as FLAC, else as MP3
LABELS = {0: "normal", 1: "anomaly", -1: "unknown"}


class ClipCards(NamedTuple):
    """A machine type's clips."""

    moved: list[ClipCard]
    top: list[ClipCard]
    decibels: tuple[float, float]  # the range of the spectrograms' colours
    note: str  # which recordings are missing


def clip_cards(
    config: ConfigDict,
    clips: Clips,
    machine: str,
    *,
    before: Float[np.ndarray, " c"],
    after: Float[np.ndarray, " c"],
    root: Callable[[], Path],
    lossless: bool,
    strips: Mapping[str, ScoreStrip],
) -> ClipCards:
    """Makes cards of the clips that moved furthest in their section's ranking, and of the top.

    Args:
      config: of the run: the format of recordings, and the generative model's mel bands.
      clips: [c] the machine type's test clips.
      machine: its name.
      before: [c] scores before smoothing.
      after: [c] scores after smoothing.
      root: returns the folder of recordings, or raises InputError.
      lossless: see `encode`.
      strips: clip -> segment scores over time, for long clips.
    """
    changes = rank_changes(before, after, clips.section, count=COUNT)
    paths, gone = {}, ""
    try:
        found = find_clips(config, root(), [machine], log=lambda line: None)
        paths = {clip.name: clip.path for clip in found[machine]}
    except InputError as error:
        gone = str(error)

    def card(row: int) -> ClipCard:
        name = str(clips.name[row])
        scores = float(before[row]), float(after[row])
        return _card(clips, changes, row, scores, strips.get(name))

    recordings = [_read(config, paths, str(clips.name[row]), gone) for row in changes.most.tolist()]
    spectra = [None if audio is None else log_mel(audio, config) for audio, _ in recordings]
    levels = [spectrum.ravel() for spectrum in spectra if spectrum is not None]
    low, high = np.percentile(np.concatenate(levels), (1, 99.8)).tolist() if levels else (0.0, 0.0)
    moved = []
    for row, (audio, missing), spectrum in zip(changes.most.tolist(), recordings, spectra):
        one = card(row)._replace(missing=missing)
        if audio is not None:
            rate = config.data.sample_rate
            png = spectrogram_png(spectrum, low=low, high=high)
            one = one._replace(
                spectrogram=data_uri(png, "image/png"),
                sound=data_uri(*encode(audio, rate, lossless=lossless)),
                seconds=len(audio) / rate,
            )
        moved.append(one)
    lost = sum(audio is None for audio, _ in recordings)
    note = f"Recordings of {lost} of these {len(recordings)} clips are missing" if lost else ""
    reason = f": {gone}" if lost and gone else ""
    top = [card(row) for row in np.argsort(-after, kind="stable")[:COUNT].tolist()]
    return ClipCards(moved, top, (low, high), note + reason)


def is_small(config: ConfigDict, n_machines: int) -> bool:
    """Returns whether the clips of so many machine types may go into one page without loss."""
    return 2 * SECONDS * config.data.sample_rate * COUNT * n_machines <= LOSSLESS


def _card(
    clips: Clips,
    changes: RankChanges,
    row: int,
    scores: tuple[float, float],
    strip: ScoreStrip | None,
) -> ClipCard:
    return ClipCard(
        str(clips.name[row]),
        int(clips.section[row]),
        str(clips.domain[row]),
        LABELS[int(clips.label[row])],
        scores,
        (int(changes.before[row]), int(changes.after[row])),
        int(changes.n[row]),
        strip=strip,
    )


def _read(
    config: ConfigDict, paths: Mapping[str, Path], name: str, gone: str
) -> tuple[np.ndarray | None, str]:
    """Returns the first seconds of a recording, or None and the reason."""
    if name not in paths:
        return None, "no recording" if gone else "no recording of this name"
    d = config.data
    try:
        audio = decode(paths[name], Format(d.sample_rate, d.channel, d.resample))
    except InputError as error:
        return None, str(error)
    return audio[: SECONDS * d.sample_rate], ""
