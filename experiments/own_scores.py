"""Smooths another system's scores: MIMII's fans, with precomputed features and simple scorers.

    python experiments/own_scores.py --features=mimii_fan_features.npz --out=own_scores

Makes the table of MIMII's fans in experiments/README.md. The file holds a row for each clip:
features X [n, d], anomaly [n] (0 or 1), product [n], snr_db [n] and filename [n]. For each product
a seeded half of the normal clips trains the scorer. The other half and all anomalies are scored,
then smoothed among themselves for several K. Features are standardised by the training half's mean
and deviation, for the scorer and for the neighbours. The scorers' settings are fixed beforehand:
nothing is chosen by the labels.

Writes <out>.csv (a row for each scorer, product, seed and K) and <out>.png, and prints AUC and pAUC
against K, mean and deviation over the seeds. With --write=DIR it also writes the first seed's
scores and features as the command line reads them:

    jax-dns smooth --scores DIR/pca --features DIR/features.npz --k 16 --out DIR/smoothed
    jax-dns evaluate --scores DIR/smoothed
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from command_line import make_parser, run_main
from paper.figure_files import save_figure
from tqdm import tqdm

from jax_dns import smooth_grid
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import auc, pauc
from jax_dns.evaluation.tables import Table, percent, to_csv, to_text
from jax_dns.files import read_npz, write_npz, write_text
from jax_dns.inlier.gmm import fit_mixture, negative_log_likelihood
from jax_dns.score_files.official import write_anomaly_scores
from jax_dns.segments_file import Clips
from jax_dns.smoothing.rules import largest_k


class ScoredClips(NamedTuple):
    """The clips scored with one seed, of all products."""

    feature: np.ndarray  # float32 [n, d], standardised
    label: np.ndarray  # [n]
    product: np.ndarray  # [n]
    filename: np.ndarray  # [n]
    scores: dict[str, np.ndarray]  # scorer -> float32 [n]


class Row(NamedTuple):
    """A row of the CSV; K = 1 is before smoothing."""

    scorer: str
    product: int
    seed: int
    k: int
    auc: float
    pauc: float


def pca_residual(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Computes the squared error [n] of reconstruction from the axes with 90 % of the variance."""
    from sklearn.decomposition import PCA

    model = PCA(0.9, svd_solver="full").fit(train)
    return ((test - model.inverse_transform(model.transform(test))) ** 2).mean(1)


def gmm(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Computes the negative log-likelihood [n] under two Gaussians of full covariance."""
    mixture = fit_mixture(train, 2, seed=seed, reg_covar=1e-2)
    return np.asarray(negative_log_likelihood(mixture, test))


SCORERS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "pca": pca_residual,
    "gmm": gmm,
}


def score_clips(arrays: Mapping[str, np.ndarray], seed: int) -> ScoredClips:
    """Splits, standardises and scores the clips of every product."""
    rng = np.random.default_rng(seed)
    parts = []
    for product in np.unique(arrays["product"]):
        rows = np.flatnonzero(arrays["product"] == product)
        normal = rng.permutation(rows[arrays["anomaly"][rows] == 0])
        train = normal[: len(normal) // 2]
        test = np.sort(np.setdiff1d(rows, train))
        x = arrays["X"].astype(np.float64)
        mean, deviation = x[train].mean(0), x[train].std(0)
        deviation[deviation == 0] = 1.0
        x_train, x_test = (((x[r] - mean) / deviation).astype(np.float32) for r in (train, test))
        scores = {
            name: scorer(x_train, x_test, seed).astype(np.float32)
            for name, scorer in SCORERS.items()
        }
        columns = (arrays[name][test] for name in ("anomaly", "product", "filename"))
        parts.append(ScoredClips(x_test, *columns, scores))
    columns = [np.concatenate(column) for column in zip(*(part[:4] for part in parts))]
    scores = {name: np.concatenate([part.scores[name] for part in parts]) for name in SCORERS}
    return ScoredClips(*columns, scores)


def evaluate(clips: ScoredClips, seed: int) -> list[Row]:
    """Evaluates every scorer, product and K."""
    groups = clips.product.astype(np.int32)
    limit = largest_k(groups, np.ones(len(groups), bool))
    ks = [2**i for i in range(limit.bit_length())]
    rows = []
    for name, scores in clips.scores.items():
        grid = smooth_grid(scores, clips.feature, ks, groups=groups)
        for product in np.unique(clips.product):
            mask = clips.product == product
            label = clips.label[mask]
            for k, smoothed in zip(ks, grid):
                values = smoothed[mask]
                rows.append(
                    Row(name, int(product), seed, k, auc(label, values), pauc(label, values))
                )
    return rows


def format_table(rows: Sequence[Row], scorer: str, metric: str) -> str:
    """Formats "auc" or "pauc" in percent: K by product, mean and deviation over the seeds."""
    rows = [row for row in rows if row.scorer == scorer]
    products = sorted({row.product for row in rows})
    lines = []
    for k in sorted({row.k for row in rows}):
        values = (
            [getattr(row, metric) for row in rows if (row.product, row.k) == (product, k)]
            for product in products
        )
        lines.append([f"{k}{' (before)' if k == 1 else ''}", *map(percent, values)])
    return to_text(Table(["K", *(f"product {product}" for product in products)], lines))


def draw(rows: Sequence[Row]) -> Any:
    """Draws AUC against K, a panel for each scorer; returns a matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(SCORERS), 4), layout="constrained")
    panels = figure.subplots(1, len(SCORERS), sharey=True)
    for axes, scorer in zip(panels, SCORERS):
        for product in sorted({row.product for row in rows}):
            line = [row for row in rows if (row.scorer, row.product) == (scorer, product)]
            ks = sorted({row.k for row in line})
            values = [100 * np.asarray([row.auc for row in line if row.k == k]) for k in ks]
            mean, deviation = (np.asarray([f(v) for v in values]) for f in (np.mean, np.std))
            (curve,) = axes.plot(ks, mean, marker="o", label=f"product {product}")
            axes.fill_between(
                ks, mean - deviation, mean + deviation, alpha=0.2, color=curve.get_color()
            )
        axes.set_xscale("log", base=2)
        axes.set(title=scorer, xlabel="K (1 is before smoothing)")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("AUC [%]")
    panels[-1].legend()
    return figure


def write_files(folder: Path, clips: ScoredClips) -> None:
    """Writes scores in the official layout, a section for each product, and features by name."""
    labels = np.where(clips.label == 1, "anomaly", "normal")
    names = np.asarray(
        [
            f"section_{product:02d}_source_test_{label}_{i:04d}_{Path(str(file)).stem}.wav"
            for i, (product, label, file) in enumerate(zip(clips.product, labels, clips.filename))
        ]
    )
    n = len(names)
    official = Clips(names, clips.product, np.full(n, "source"), clips.label, np.arange(n))
    for name, scores in clips.scores.items():
        write_anomaly_scores(folder / name, "fan", official, scores)
    write_npz(folder / "features.npz", {"name": names, "feature": clips.feature})


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--features", type=Path, required=True, help="the .npz file described above")
    add("--snr", type=int, default=6, help="clips of this SNR, dB (default: 6)")
    add("--seeds", type=int, default=5, help="number of seeded halves (default: 5)")
    add("--out", type=Path, default=Path("own_scores"), help="prefix of the CSV and the PNG")
    add("--write", type=Path, metavar="DIR", help="also write scores and features here")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Prints the tables and writes the files."""
    options = parse(arguments)
    arrays = read_npz(options.features)
    mask = arrays["snr_db"] == options.snr
    if not mask.any():
        snrs = ", ".join(map(str, np.unique(arrays["snr_db"])))
        raise InputError(f"--snr: no clips of {options.snr} dB (expected one of {snrs})")
    arrays = {name: arrays[name][mask] for name in ("X", "anomaly", "product", "filename")}
    rows: list[Row] = []
    for seed in tqdm(range(options.seeds), desc="seed"):
        clips = score_clips(arrays, seed)
        rows += evaluate(clips, seed)
        if seed == 0 and options.write is not None:
            write_files(options.write, clips)
    for scorer in SCORERS:
        for metric, title in (("auc", "AUC"), ("pauc", "pAUC")):
            print(f"\n{scorer}: {title} [%], {options.snr} dB, {options.seeds} seeded halves")
            print(format_table(rows, scorer, metric))
    write_text(options.out.with_suffix(".csv"), to_csv([Row._fields, *rows]))
    try:
        save_figure(draw(rows), options.out.with_suffix(".png"))
    except ImportError:
        print("No figure: matplotlib is not installed (pip install 'jax-dns[viz]').")
    print(f"\nWritten: {options.out.with_suffix('.csv')}, {options.out.with_suffix('.png')}")
    if options.write is not None:
        print(
            f"\nThe same for the first seed:\n"
            f"  jax-dns smooth --scores {options.write}/pca "
            f"--features {options.write}/features.npz --k auto --out {options.write}/smoothed\n"
            f"  jax-dns evaluate --scores {options.write}/smoothed"
        )


if __name__ == "__main__":
    run_main(main)
