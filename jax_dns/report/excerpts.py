"""The clips that smoothing moved most, with their recordings, for the report."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from jax_dns import features
from jax_dns.config import DEFAULTS
from jax_dns.data.decode import Format, decode
from jax_dns.errors import InputError
from jax_dns.pipeline.index import find_clips
from jax_dns.pipeline.method_results import MachineResults
from jax_dns.report.encode_audio import encode
from jax_dns.report.page import Excerpt
from jax_dns.report.pictures import data_uri, spectrogram_png
from jax_dns.report.rank_changes import changes

SECONDS = 10  # of a recording that are shown and played
COUNT = 10  # clips a machine type
LOSSLESS = 5_000_000  # bytes of 16-bit samples up to which sound goes in as FLAC, else as MP3
LABELS = {0: "normal", 1: "anomaly", -1: "unknown"}


class Excerpts(NamedTuple):
    """A machine type's clips."""

    clips: list[Excerpt]
    decibels: tuple[float, float]  # what the spectrograms' colours span
    note: str  # where recordings are gone


def excerpts(
    config: ConfigDict,
    found: MachineResults,
    machine: str,
    *,
    scores: tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]],
    root: Callable[[], Path],
    lossless: bool,
) -> Excerpts:
    """The ten clips that moved furthest in their section's ranking, as far as they can be had.

    Args:
      config: of the run: what recordings must be, and the autoencoder's mel bands.
      found: the machine type's clips.
      machine: its name.
      scores: of every clip, before and after smoothing.
      root: gives the folder of recordings, or raises InputError.
      lossless: see `encode`.
    """
    clips = found.clips
    moved = changes(*scores, clips.section, count=COUNT)
    recordings, gone = {}, ""
    try:
        clips_on_disk = find_clips(config, root(), [machine])[machine]
        recordings = {clip.name: clip.path for clip in clips_on_disk}
    except InputError as error:
        gone = str(error)
    heard = [_read(config, recordings, str(clips.name[row]), gone) for row in moved.most]
    levels = [log_mel(audio, config) for audio, _ in heard if audio is not None]
    if levels:
        low, high = np.percentile(np.concatenate([x.ravel() for x in levels]), (1, 99.8))
    else:
        low = high = 0.0
    rate, images, cards = config.data.sample_rate, iter(levels), []
    for row, (audio, missing) in zip(moved.most, heard):
        card = Excerpt(
            str(clips.name[row]),
            int(clips.section[row]),
            str(clips.domain[row]),
            LABELS[int(clips.label[row])],
            (float(scores[0][row]), float(scores[1][row])),
            (int(moved.before[row]), int(moved.after[row])),
            int(moved.n[row]),
            missing=missing,
        )
        if audio is not None:
            png = spectrogram_png(next(images), low=low, high=high)
            card = card._replace(
                spectrogram=data_uri(png, "image/png"),
                sound=data_uri(*encode(audio, rate, lossless=lossless)),
                seconds=len(audio) / rate,
            )
        cards.append(card)
    lost = sum(audio is None for audio, _ in heard)
    note = f"Recordings of {lost} of these {len(heard)} clips are gone" if lost else ""
    return Excerpts(cards, (float(low), float(high)), note + (f": {gone}" if lost and gone else ""))


def is_small(config: ConfigDict, n_machines: int) -> bool:
    """Whether so many machine types' clips may go into one page without loss."""
    return 2 * SECONDS * config.data.sample_rate * COUNT * n_machines <= LOSSLESS


def log_mel(audio: np.ndarray, config: ConfigDict) -> Float[np.ndarray, "n_mels frames"]:
    """Computes the mel spectrogram of a standardised recording, dB, with a_G's settings."""
    whole = SECONDS * config.data.sample_rate
    wide = audio.astype(np.float32)
    wide = (wide - wide.mean()) / (wide.std() or 1.0)
    c = DEFAULTS["generative"] | config.generative.to_dict()  # for a component without a mel
    # Every recording is padded to the greatest length: one shape, one compilation.
    fields = (c[name] for name in ("n_fft", "hop_length", "n_mels"))
    mel = _mel(config.data.sample_rate, *fields, *displayed_range(config))
    frames = 1 + len(wide) // c["hop_length"]
    return np.asarray(mel(np.pad(wide, (0, whole - len(wide)))))[:, :frames]


def displayed_range(config: ConfigDict) -> tuple[float, float]:
    """Returns the lowest and the highest frequency of the spectrograms, Hz."""
    c = DEFAULTS["generative"] | config.generative.to_dict()
    return c["fmin"], c["fmax"]


@functools.cache
def _mel(sample_rate, n_fft, hop, n_mels, fmin, fmax):
    bands = dict(n_fft=n_fft, hop=hop, n_mels=n_mels, fmin=fmin, fmax=fmax)

    def transform(audio):
        mel = features.mel_spectrogram(audio, sample_rate=sample_rate, **bands)
        return features.decibel(mel)

    return jax.jit(transform)


def _read(
    config: ConfigDict, recordings: dict[str, Path], name: str, gone: str
) -> tuple[np.ndarray | None, str]:
    """The first seconds of a recording, or None and the reason."""
    if name not in recordings:
        return None, "no recording" if gone else "no recording of this name"
    d = config.data
    try:
        audio = decode(recordings[name], Format(d.sample_rate, d.channel, d.resample))
    except InputError as error:
        return None, str(error)
    return audio[: SECONDS * d.sample_rate], ""
