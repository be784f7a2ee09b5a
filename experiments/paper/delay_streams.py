"""Streams of clips with faults, for `monitor_delay`: of real recordings, and a run to failure."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from paper.cells import Cell, mimii_cells, scored_cell, toycar_cells

WEEKS = 2  # of normal clips, and then of faults


class Stream(NamedTuple):
    """Clips in the order of their arrival."""

    score: Float[np.ndarray, " t"]
    distance: Float[np.ndarray, " t"]
    feature: Float[np.ndarray, "t d"]
    origin: Int[np.ndarray, " t"]  # the clip that it is a copy of
    fault: Bool[np.ndarray, " t"]


class Known(NamedTuple):
    """Held-out normal clips."""

    score: Float[np.ndarray, " r"]
    distance: Float[np.ndarray, " r"]
    feature: Float[np.ndarray, "r d"]


def load(data: Path, count: int | None) -> list[Cell]:
    """Reads the cells of every source that is there."""
    sources = []
    if (data / "mimii_fan_features.npz").exists():
        sources.append(mimii_cells(data / "mimii_fan_features.npz"))
    if (data / "toycar_logmel.npz").exists():
        sources.append(toycar_cells(data / "toycar_logmel.npz"))
    if (data / "machines/uav").exists():
        sources.append(uav_cells(data / "machines/uav"))
    return [cell for source in sources for cell in [*source][:count]]


def uav_cells(folder: Path) -> Iterator[Cell]:
    """Computes the quadrotors' log-mels: each band's mean and deviation; both domains together."""
    import librosa
    import soundfile

    for section in (0, 1):
        paths = sorted(folder.glob(f"*/section_{section:02d}_*.wav"))
        rows = []
        for path in paths:
            audio, rate = soundfile.read(path, dtype="float32")
            mel = librosa.feature.melspectrogram(y=audio / audio.std(), sr=rate, n_mels=64)
            decibels = librosa.power_to_db(mel)
            rows.append(np.concatenate([decibels.mean(1), decibels.std(1)]))
        table = np.asarray(rows, np.float32)
        anomaly = np.asarray(["_anomaly_" in path.name for path in paths])
        train = np.flatnonzero(["_train_" in path.name for path in paths])
        normal = np.flatnonzero(~anomaly & ~np.isin(np.arange(len(paths)), train))
        known = np.random.default_rng(section).permutation(normal)[: len(normal) // 2]
        items = np.setdiff1d(np.arange(len(paths)), train)
        place = ("uav", f"section {section}", "uav", "log-mel")
        yield scored_cell(place, table, anomaly, train, items, known)


def draw_stream(
    cell: Cell, share: float, per_day: float, rng: np.random.Generator
) -> tuple[Stream, Known]:
    """Draws a cell's clips with replacement; the second half has a share of faults."""
    half = int(7 * WEEKS * per_day)
    fault = np.concatenate([np.zeros(half, bool), rng.random(half) < share])
    normals = np.flatnonzero(~cell.anomaly & ~cell.known)
    rows = np.where(
        fault,
        rng.choice(np.flatnonzero(cell.anomaly), 2 * half),
        rng.choice(normals, 2 * half),
    )
    known = np.flatnonzero(cell.known)
    columns = cell.score, cell.discriminative, cell.feature
    return Stream(*(c[rows] for c in columns), rows, fault), Known(*(c[known] for c in columns))


def run_to_failure(rng: np.random.Generator, dimensions: int = 8) -> tuple[Stream, Known]:
    """Makes a series whose second half drifts from normal to four standard deviations off.

    a_G and the distance see the drift with noise of their own; faults of one time are neighbours.
    """
    half = int(7 * WEEKS * 1440)
    severity = np.concatenate([np.zeros(half), np.linspace(0, 4, half)])
    train = rng.normal(size=(400, dimensions))

    def clips(severity):
        feature = rng.normal(size=(len(severity), dimensions))
        feature[:, 0] += severity
        score = rng.normal(size=len(severity)) + severity
        distance = [np.sqrt(((train - row) ** 2).sum(1).min()) for row in feature]
        return score, np.asarray(distance), feature

    stream = Stream(*clips(severity), np.arange(2 * half), severity > 0)
    return stream, Known(*clips(np.zeros(100)))
