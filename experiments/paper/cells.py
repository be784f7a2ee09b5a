"""Cells of real scores and features with labels: one system, section and domain each.

A draw takes a cell's items at a share of anomalies, with some normal items apart as known normals.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Bool, Float

from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.files import read_npz
from jax_dns.score_files.read_scores import read_scores
from jax_dns.segments_file import Segments, clip_mean, clips_of, read_segments

BOTH = "both domains"
SPLITS = 2  # of a table of features: which normals the scorer is fitted on
COMPONENTS = 16  # of the PCA whose residual is the generative score
DIMENSIONS = 32  # of the whitened features
KNOWN_OF_TABLE = 100  # known normals in a table of features


class Cell(NamedTuple):
    """One system's items of one section and domain."""

    source: str  # where the data are from
    system: str
    cluster: str  # cells of one cluster share clips: resampled together
    machine: str  # K is chosen on other clusters of the same system and machine
    anomaly: Bool[np.ndarray, " n"]
    score: Float[np.ndarray, " n"]  # a_G
    feature: Float[np.ndarray, "n d"]
    discriminative: Float[np.ndarray, " n"]  # a score from the features, for rank fusion
    known: Bool[np.ndarray, " n"] | None  # the known normals; None: half of the normals, drawn


class CellDraw(NamedTuple):
    """Unlabelled items and known normals of a cell: rows of its arrays."""

    unlabelled: np.ndarray
    known: np.ndarray


def load_cells(data: Path | None, workdirs: list[Path]) -> list[Cell]:
    """Reads every source that is there.

    Args:
      data: folder with dcase2021_dev_scores, mimii_fan_features.npz, toycar_logmel.npz and
        machines/uav, or some of them; None: workdirs alone.
      workdirs: of finished runs, whose known normals are the held-out training clips.

    Raises:
      InputError: nothing there.
    """
    cells: list[Cell] = []
    for name, read in (
        ("dcase2021_dev_scores", dcase_cells),
        ("mimii_fan_features.npz", mimii_cells),
        ("toycar_logmel.npz", toycar_cells),
        ("machines/uav", uav_cells),
    ):
        if data and (data / name).exists():
            cells += read(data / name)
    for workdir in workdirs:
        cells += workdir_cells(workdir)
    if not cells:
        raise InputError(f"{data}: no dcase2021_dev_scores, mimii_fan_features.npz (expected some)")
    return cells


def dcase_cells(folder: Path) -> Iterator[Cell]:
    """Reads public systems' scores with the features beside them."""
    features = read_npz(folder / "features.npz")
    for system in sorted(path for path in folder.iterdir() if path.is_dir()):
        for machine, rows in read_scores(system).items():
            of_machine = features["machine"] == machine
            names = features["name"][of_machine]
            order = np.argsort(names)
            place = order[np.searchsorted(names[order], rows.clip)]
            feature = features["feature"][of_machine][place]
            for section in np.unique(rows.section):
                for domain in ("source", "target", BOTH):
                    mask = rows.section == section
                    if domain != BOTH:
                        mask &= rows.domain == domain
                    yield Cell(
                        "DCASE 2021" + (f", {BOTH}" if domain == BOTH else ""),
                        system.name,
                        f"{machine} {section}",
                        machine + domain,
                        rows.label[mask] == 1,
                        rows.score[mask],
                        feature[mask],
                        feature[mask].mean(1, dtype=np.float64),
                        _half_of_source(rows, mask) if domain == BOTH else None,
                    )


def _half_of_source(rows: Segments, mask: np.ndarray) -> np.ndarray:
    """Returns which of the rows are known normals: as in a run, of the source domain alone."""
    normal = np.flatnonzero((rows.label[mask] == 0) & (rows.domain[mask] == "source"))
    known = np.zeros(int(mask.sum()), bool)
    known[np.random.default_rng(0).permutation(normal)[: len(normal) // 2]] = True
    return known


def mimii_cells(path: Path) -> Iterator[Cell]:
    """Reads MIMII's fans as tables of features: a machine and signal-to-noise ratio each."""
    arrays = read_npz(path)
    for product in np.unique(arrays["product"]):
        for snr in np.unique(arrays["snr_db"]):
            mask = (arrays["product"] == product) & (arrays["snr_db"] == snr)
            yield from _table_cells(
                "MIMII fan",
                f"fan {product}",
                f"{snr} dB",
                arrays["X"][mask],
                arrays["anomaly"][mask] == 1,
            )


def toycar_cells(path: Path) -> Iterator[Cell]:
    """Reads ToyCar's log-mels; a clip's features are each band's mean and deviation over time."""
    arrays = read_npz(path)
    logmel = arrays["logmel"]
    table = np.concatenate([logmel.mean(1, dtype=np.float32), logmel.std(1, dtype=np.float32)], 1)
    parts = np.asarray([name.split("_") for name in arrays["clip"].tolist()])
    for car in np.unique(parts[:, 2]):
        mask = parts[:, 2] == car
        yield from _table_cells(
            "ToyCar", f"car {car}", "ToyCar", table[mask], parts[mask, 0] == "anomaly"
        )


def _table_cells(
    source: str, cluster: str, machine: str, table: np.ndarray, anomaly: np.ndarray
) -> Iterator[Cell]:
    """Scores a table of features by a PCA's residual, fitted on a part of the normals."""
    for split in range(SPLITS):
        rng = np.random.default_rng(split)
        normal = rng.permutation(np.flatnonzero(~anomaly))
        # Two fifths train; of the rest 100, or a third, are known normals.
        train, rest = np.split(normal, [2 * len(normal) // 5])
        known = rest[: min(KNOWN_OF_TABLE, len(rest) // 3)]
        items = np.setdiff1d(np.arange(len(anomaly)), train)
        place = (source, f"split {split}", cluster, machine)
        yield scored_cell(place, table, anomaly, train, items, known)


def scored_cell(
    place: tuple[str, str, str, str],
    table: np.ndarray,
    anomaly: np.ndarray,
    train: np.ndarray,
    items: np.ndarray,
    known: np.ndarray,
) -> Cell:
    """Scores some rows of a table by the residual of a PCA fitted on others."""
    scaled = (table - table[train].mean(0)) / (table[train].std(0) + 1e-6)
    _, spread, axes = np.linalg.svd(scaled[train], full_matrices=False)
    coordinates = scaled @ axes.T
    inside = coordinates[:, :COMPONENTS] @ axes[:COMPONENTS]
    residual = np.linalg.norm(scaled - inside, axis=1)
    used = min(DIMENSIONS, int((spread > 1e-3 * spread[0]).sum()))
    feature = coordinates[:, :used] / (spread[:used] / np.sqrt(len(train)))
    squares = (feature**2).sum(1)
    distance = squares[:, None] + squares[None, train] - 2 * feature @ feature[train].T
    return Cell(
        *place,
        anomaly[items],
        residual[items].astype(np.float64),
        feature[items].astype(np.float32),
        distance[items].min(1).astype(np.float64),
        np.isin(items, known),
    )


def uav_cells(folder: Path) -> Iterator[Cell]:
    """Reads the quadrotors' recordings; features are those of `toycar_cells`.

    Of a section's training clips of the source domain, the first three fifths fit the PCA of both
    domains' scores. The others, and the training clips of the target domain, are known normals.
    """
    paths = sorted(folder.rglob("*.wav"))
    parts = np.asarray([path.stem.split("_")[:5] for path in paths])  # section, 00, domain, ...
    table = np.stack([_log_mel_statistics(path) for path in paths])
    training, anomaly = parts[:, 3] == "train", parts[:, 4] == "anomaly"
    for section in np.unique(parts[:, 1]):
        of_section = parts[:, 1] == section
        source = np.flatnonzero(of_section & training & (parts[:, 2] == "source"))
        train = source[: 3 * len(source) // 5]
        for domain in ("source", "target"):
            items = np.flatnonzero(of_section & (parts[:, 2] == domain))
            items = np.setdiff1d(items, train)
            place = ("UAV", "PCA", f"uav {section}", f"uav{domain}")
            yield scored_cell(place, table, anomaly, train, items, items[training[items]])


def _log_mel_statistics(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32")
    power = mel_spectrogram(
        samples, sample_rate=rate, n_fft=1024, hop=512, n_mels=128, fmin=50.0, fmax=7800.0
    )
    logmel = np.asarray(decibel(power))
    return np.concatenate([logmel.mean(1), logmel.std(1)])


def workdir_cells(workdir: Path) -> Iterator[Cell]:
    """Reads a finished run; the held-out training clips of a section and domain are known."""
    paths = sorted(workdir.rglob("segments.npz"))
    if not paths:
        raise InputError(f"{workdir}: no segments.npz (expected a finished run)")
    for path in paths:
        segments, _ = read_segments(path)
        segments = segments.where((segments.split != "train") & np.isfinite(segments.score))
        clips = clips_of(segments)
        held_out = clip_mean(clips, (segments.split == "valid").astype(np.float64)) > 0
        score, feature = clip_mean(clips, segments.score), clip_mean(clips, segments.feature)
        rated = ~held_out & (clips.label >= 0)
        for section, domain in sorted(set(zip(clips.section[rated], clips.domain[rated]))):
            mask = (clips.section == section) & (clips.domain == domain) & (rated | held_out)
            yield Cell(
                workdir.name,
                str(path.parent.relative_to(workdir)),
                f"{path.parent.name} {section}",
                path.parent.name + domain,
                clips.label[mask] == 1,
                score[mask],
                feature[mask].astype(np.float32),
                _distance_to(feature[mask], held_out[mask]),
                held_out[mask],
            )


def _distance_to(feature: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns each item's distance to its nearest known normal, itself left out."""
    if not known.any():
        return np.zeros(len(feature))
    distance = ((feature[:, None] - feature[None, known]) ** 2).sum(2)
    distance[np.flatnonzero(known), np.arange(known.sum())] = np.inf
    return distance.min(1)


def draw(cell: Cell, share: float | None, rng: np.random.Generator) -> CellDraw | None:
    """Draws unlabelled items of a share of anomalies, and known normals.

    Args:
      cell: to draw from.
      share: of anomalies among the unlabelled items; None: all anomalies.
      rng: generator.

    Returns:
      Rows; None where the cell has too few anomalies, or too few normals for one anomaly.
    """
    anomalies = rng.permutation(np.flatnonzero(cell.anomaly))
    if cell.known is None:
        normals = rng.permutation(np.flatnonzero(~cell.anomaly))
        known, normals = np.split(normals, [len(normals) // 2])
    else:
        known = np.flatnonzero(cell.known)
        normals = np.flatnonzero(~cell.anomaly & ~cell.known)
    if share is None:
        count = len(anomalies)
    else:
        count = round(share * len(normals) / (1 - share))
        if count > len(anomalies):  # fewer normals, so that the share is right
            count = len(anomalies)
            normals = rng.permutation(normals)[: round(count * (1 - share) / share)]
    # One anomaly among few normals would be another share.
    if count < 1 or (share and count / (count + len(normals)) > 1.3 * share):
        return None
    return CellDraw(np.concatenate([normals, anomalies[:count]]), known)
