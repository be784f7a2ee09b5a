"""How soon a monitor sees a fault, at one false alarm a week, by the evidence that it decides by.

    python experiments/monitor_delay.py --data DIR [--draws 5] [--out monitor_delay]

DIR holds mimii_fan_features.npz, toycar_logmel.npz and machines/uav, or some of them; without it
the synthetic series alone is computed. A stream is a machine's clips one after another, drawn with
replacement: first two weeks of normal clips, in which false alarms are counted; then two weeks in
which a share of the clips, 0.1 to 10 %, are faults. In the synthetic run to failure every clip
after the onset is worse than the one before. Ways to decide, each at p-values conformal to held-out
normals that neither a_G nor f_D was fitted on:

    a_G             the clip's own score
    distance        the distance of its features to the nearest normals of the training
    both            the mean of both ranks, itself ranked: what the monitor does
    Eq. 7, K = 16   a_G averaged with that of the 15 nearest of the last 500 clips
    all three       the mean of the three ranks, itself ranked

An alarm needs `hits` of the last `window` clips. A clip's copies, which drawing with replacement
makes, are no neighbours of it. The delay is counted from the first faulty clip; a stream without an
alarm within its two weeks is undetected, and counts as a delay beyond all others in the median.

Writes <out>.csv and prints the table.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import make_parser, run_main
from jaxtyping import Bool, Float, Int
from paper.cells import Cell, mimii_cells, scored_cell, toycar_cells
from scipy.stats import rankdata
from tqdm import tqdm

from jax_dns.evaluation.tables import Table, to_csv, to_markdown
from jax_dns.files import write_text
from jax_dns.monitor.decisions import Settings, alarm_starts, normals_needed

WAYS = ("a_G", "distance", "both", "Eq. 7, K = 16", "all three")
SHARES = (0.001, 0.01, 0.03, 0.1)
RULES = ((3, 5), (6, 100))  # hits, window
WEEKS = 2  # of normal clips, and then of faults
CLIPS_PER_DAY = {"uav": 144.0}  # else 1440; few known normals can't reach rarer alarms
K, HISTORY, REFRESH = 16, 500, 50  # Eq. 7; known normals are smoothed again every 50 clips


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


class Result(NamedTuple):
    """One stream under one rule, by one kind of evidence."""

    source: str
    share: str
    rule: tuple[int, int]
    way: str
    false_alarms: float  # a week
    delay: float  # clips after the first faulty one; infinite where undetected


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", type=Path, help="folder of features and recordings")
    parser.add_argument("--out", type=Path, default=Path("monitor_delay"), help="without suffix")
    parser.add_argument("--draws", type=int, default=5, help="streams of each cell and share")
    parser.add_argument("--cells", type=int, help="cells of each source (all)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Computes, writes, prints."""
    options = parse(arguments)
    results = []
    for seed in tqdm(range(options.draws), desc="synthetic", mininterval=5):
        rng = np.random.default_rng([99, seed])
        results += rate(*run_to_failure(rng), "synthetic run to failure", "growing", 1440.0)
    cells = load(options.data, options.cells) if options.data else []
    for number, cell in enumerate(tqdm(cells, desc="real", unit="cell", mininterval=5)):
        for share in SHARES:
            for seed in range(options.draws):
                rng = np.random.default_rng([number, seed])
                per_day = CLIPS_PER_DAY.get(cell.source, 1440.0)
                stream, known = draw_stream(cell, share, per_day, rng)
                results += rate(stream, known, cell.source, f"{100 * share:g} %", per_day)
    table = summarise(results)
    write_text(options.out.with_suffix(".csv"), to_csv([table.head, *table.rows]))
    print(to_markdown(table))


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


def rate(stream: Stream, known: Known, source: str, share: str, per_day: float) -> list[Result]:
    """Counts false alarms and the delay of every rule and way."""
    smoothed, known_smoothed = smooth_stream(stream, known)
    own = np.stack([stream.score, stream.distance], 1), np.stack([known.score, known.distance], 1)
    p = {
        "a_G": ranks_p(own[0][:, :1], own[1][:, :1]),
        "distance": ranks_p(own[0][:, 1:], own[1][:, 1:]),
        "both": ranks_p(*own),
    }
    parts = {"Eq. 7, K = 16": [], "all three": []}
    for number, normals in enumerate(known_smoothed):
        rows = slice(number * REFRESH, (number + 1) * REFRESH)
        three = np.column_stack([own[0][rows], smoothed[rows]])
        normal_three = np.column_stack([own[1], normals])
        parts["Eq. 7, K = 16"].append(ranks_p(three[:, 2:], normal_three[:, 2:]))
        parts["all three"].append(ranks_p(three, normal_three))
    p |= {way: np.concatenate(values) for way, values in parts.items()}
    first = int(stream.fault.argmax()) if stream.fault.any() else len(stream.fault)
    results = []
    for hits, window in RULES:
        settings = Settings(clips_per_day=per_day, hits=hits, window=window)
        if normals_needed(settings.alarm_days, settings) > len(known.score):
            continue
        for way in WAYS:
            starts = np.flatnonzero(alarm_starts(p[way], settings))
            weeks = first / per_day / 7
            after = starts[starts >= first]
            delay = float(after[0] - first) if len(after) else np.inf
            false = (starts < first).sum() / weeks
            results.append(Result(source, share, (hits, window), way, false, delay))
    return results


def ranks_p(values: Float[np.ndarray, "t s"], normals: Float[np.ndarray, "r s"]) -> np.ndarray:
    """Returns `combined_p` of many clips; of one statistic the conformal p-value."""
    r = len(normals)
    ordered = np.sort(normals, axis=0)
    # Places of the clip among the normals, and what its presence adds to the normals' ranks.
    columns = range(values.shape[1])
    low = np.stack([np.searchsorted(ordered[:, c], values[:, c], "left") for c in columns], 1)
    high = np.stack([np.searchsorted(ordered[:, c], values[:, c], "right") for c in columns], 1)
    own = ((low + high + 2) / 2).mean(1)
    base = rankdata(normals, axis=0)
    p = np.empty(len(values))
    for i in range(0, len(values), 512):
        part = values[i : i + 512, None, :]
        pushed = (part < normals) + 0.5 * (part == normals)
        larger = (base[None] + pushed).mean(2) >= own[i : i + 512, None] - 1e-9
        p[i : i + 512] = (1 + larger.sum(1)) / (r + 1)
    return p


def smooth_stream(stream: Stream, known: Known) -> tuple[np.ndarray, np.ndarray]:
    """Smooths each clip over the last ones (Eq. 7), and the known normals now and then.

    Returns:
      [t] scores of the stream; [t / REFRESH, r] of the known normals, over the clips before each
      REFRESH of the stream.
    """
    t = len(stream.score)
    score, feature = stream.score, stream.feature.astype(np.float32)
    norms = (feature**2).sum(1)
    smoothed, of_known = score.copy(), []
    known_feature = known.feature.astype(np.float32)
    for first in range(0, t, REFRESH):
        rows = np.arange(first, min(first + REFRESH, t))
        past = np.arange(max(0, first - HISTORY), rows[-1] + 1)
        distance = norms[past][None, :] - 2 * feature[rows] @ feature[past].T
        copies = stream.origin[rows][:, None] == stream.origin[past][None, :]
        late = past[None, :] >= rows[:, None]
        old = past[None, :] < rows[:, None] - HISTORY
        distance[copies | late | old] = np.inf
        smoothed[rows] = _mean_with_nearest(score[rows], distance, score[past])
        before = past[past < first]
        distance = norms[before][None, :] - 2 * known_feature @ feature[before].T
        of_known.append(_mean_with_nearest(known.score, distance, score[before]))
    return smoothed, np.asarray(of_known)


def _mean_with_nearest(own: np.ndarray, distance: np.ndarray, scores: np.ndarray) -> np.ndarray:
    count = min(K - 1, distance.shape[1])
    if not count:
        return own.copy()
    nearest = np.argpartition(distance, count - 1, axis=1)[:, :count]
    usable = np.isfinite(np.take_along_axis(distance, nearest, 1))
    return (own + np.where(usable, scores[nearest], 0).sum(1)) / (1 + usable.sum(1))


def summarise(results: list[Result]) -> Table:
    """Returns one row for each source, share, rule and way: rates and the median delay."""
    groups: dict[tuple, list[Result]] = {}
    for result in results:
        key = result.source, result.share, f"{result.rule[0]} of {result.rule[1]}", result.way
        groups.setdefault(key, []).append(result)
    rows = []
    for key, group in groups.items():
        delays = np.asarray([result.delay for result in group])
        median = np.sort(delays)[len(delays) // 2]
        false = np.mean([result.false_alarms for result in group])
        detected = 100 * np.isfinite(delays).mean()
        shown = f"{median:.0f}" if np.isfinite(median) else "-"
        rows.append([*key, f"{false:.2f}", f"{detected:.0f}", shown, str(len(group))])
    head = ["source", "faults", "hits", "evidence", "false alarms a week", "detected, %"]
    return Table([*head, "median delay, clips", "streams"], rows, "Delay to detection.")


if __name__ == "__main__":
    run_main(main)
