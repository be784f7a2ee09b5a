"""Smoothing someone else's scores: MIMII's fans, real features and simple generative models.

    python experiments/own_scores.py --features mimii_fan_features.npz --out own_scores

The file holds a row a clip: features X [n, d], anomaly [n] (0 or 1), product [n], snr_db [n] and
filename [n]. For each product a seeded half of the normal clips trains the scorer; the other half
and all anomalies are scored, then smoothed among themselves over K. Features are standardised by
the training half's mean and deviation, for the scorer and for the neighbours. Settings of the
scorers are fixed beforehand: nothing is chosen on the labels.

Writes <out>.csv (a row for each scorer, product, seed and K) and <out>.png, and prints the AUC over
K, mean and deviation over the seeds. `--write DIR` also writes the first seed's scores and features
as the command line reads them:

    jax-dns smooth --scores DIR/pca --features DIR/features.npz --k 16 --out DIR/smoothed
    jax-dns evaluate --scores DIR/smoothed
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import run
from tqdm import tqdm

from jax_dns import smooth_grid
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import auc, pauc
from jax_dns.evaluation.tables import Table, percent, to_csv, to_text
from jax_dns.files import read_npz, write_bytes, write_npz, write_text
from jax_dns.inlier.gmm import fit_mixture, negative_log_likelihood
from jax_dns.score_files.official import write_anomaly_scores
from jax_dns.segments_file import Clips
from jax_dns.smoothing.validation import candidate_counts

COLUMNS = ("scorer", "product", "seed", "k", "auc", "pauc")


class Scored(NamedTuple):
    """The clips scored with one seed, all products together."""

    feature: np.ndarray  # float32 [n, d], standardised
    label: np.ndarray  # [n]
    product: np.ndarray  # [n]
    filename: np.ndarray  # [n]
    scores: dict[str, np.ndarray]  # scorer -> float32 [n]


def pca_residual(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Squared error [n] of a reconstruction from the axes that hold 90 % of the variance."""
    from sklearn.decomposition import PCA

    model = PCA(0.9, svd_solver="full").fit(train)
    return ((test - model.inverse_transform(model.transform(test))) ** 2).mean(1)


def gmm(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Negative log-likelihood [n] under two Gaussians of full covariance."""
    mixture = fit_mixture(train, 2, seed=seed, regularisation=1e-2)
    return np.asarray(negative_log_likelihood(mixture, test))


SCORERS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "pca": pca_residual,
    "gmm": gmm,
}


def score(arrays: Mapping[str, np.ndarray], seed: int) -> Scored:
    """Splits, standardises and scores every product's clips."""
    rng = np.random.default_rng(seed)
    parts = []
    for product in np.unique(arrays["product"]):
        here = np.flatnonzero(arrays["product"] == product)
        normal = rng.permutation(here[arrays["anomaly"][here] == 0])
        train = normal[: len(normal) // 2]
        test = np.sort(np.setdiff1d(here, train))
        x = arrays["X"].astype(np.float64)
        mean, deviation = x[train].mean(0), x[train].std(0)
        deviation[deviation == 0] = 1.0
        fit, held = (((x[rows] - mean) / deviation).astype(np.float32) for rows in (train, test))
        scores = {n: scorer(fit, held, seed).astype(np.float32) for n, scorer in SCORERS.items()}
        columns = (arrays[name][test] for name in ("anomaly", "product", "filename"))
        parts.append(Scored(held, *columns, scores))
    columns = [np.concatenate(column) for column in zip(*(part[:4] for part in parts))]
    return Scored(*columns, {n: np.concatenate([p.scores[n] for p in parts]) for n in SCORERS})


def rate(scored: Scored, seed: int) -> list[tuple]:
    """AUC and pAUC of every scorer, product and K; rows of the CSV. K = 1 is before smoothing."""
    everyone = np.ones(len(scored.label), bool)
    largest = 1 + candidate_counts(scored.product, everyone, scored.product, everyone).min()
    ks = [2**i for i in range(int(largest).bit_length())]
    groups = scored.product.astype(np.int32)
    rows = []
    for name, scores in scored.scores.items():
        grid = smooth_grid(scores, scored.feature, ks, groups=groups)
        for product in np.unique(scored.product):
            here = scored.product == product
            for k, smoothed in zip(ks, grid):
                label, values = scored.label[here], smoothed[here]
                rows.append((name, int(product), seed, k, auc(label, values), pauc(label, values)))
    return rows


def table(rows: Sequence[tuple], scorer: str, *, column: int = 4) -> str:
    """AUC (or pAUC, column 5) in percent: K by product, mean and deviation over the seeds."""
    rows = [row for row in rows if row[0] == scorer]
    products = sorted({row[1] for row in rows})
    lines = [["K", *(f"product {product}" for product in products)]]
    for k in sorted({row[3] for row in rows}):
        values = [[row[column] for row in rows if row[1] == p and row[3] == k] for p in products]
        lines.append([f"{k}{' (before)' if k == 1 else ''}", *map(percent, values)])
    return to_text(Table(lines[0], lines[1:]))


def draw(path: Path, rows: Sequence[tuple]) -> None:
    """AUC against K, a panel a scorer, a line a product."""
    import io

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(SCORERS), figsize=(5 * len(SCORERS), 4), sharey=True, layout="constrained"
    )
    for axes, scorer in zip(panels, SCORERS):
        for product in sorted({row[1] for row in rows}):
            mine = [row for row in rows if row[:2] == (scorer, product)]
            ks = sorted({row[3] for row in mine})
            values = [100 * np.asarray([row[4] for row in mine if row[3] == k]) for k in ks]
            mean, deviation = (np.asarray([f(v) for v in values]) for f in (np.mean, np.std))
            (line,) = axes.plot(ks, mean, marker="o", label=f"product {product}")
            axes.fill_between(
                ks, mean - deviation, mean + deviation, alpha=0.2, color=line.get_color()
            )
        axes.set_xscale("log", base=2)
        axes.set(title=scorer, xlabel="K (1 is before smoothing)")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("AUC [%]")
    panels[-1].legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    pyplot.close(figure)
    write_bytes(path, buffer.getvalue())


def write_files(folder: Path, scored: Scored) -> None:
    """Writes scores in the official layout, a section a product, and features by name."""
    words = np.where(scored.label == 1, "anomaly", "normal")
    names = np.asarray(
        [
            f"section_{product:02d}_source_test_{word}_{i:04d}_{Path(str(file)).stem}.wav"
            for i, (product, word, file) in enumerate(zip(scored.product, words, scored.filename))
        ]
    )
    n = len(names)
    clips = Clips(names, scored.product, np.full(n, "source"), scored.label, np.arange(n))
    for name, scores in scored.scores.items():
        write_anomaly_scores(folder / name, "fan", clips, scores)
    write_npz(folder / "features.npz", {"name": names, "feature": scored.feature})


def main(arguments: list[str] | None = None) -> None:
    """Prints the tables, writes CSV and PNG."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=Path, required=True, help="the .npz described above")
    parser.add_argument("--snr", type=int, default=6, help="clips of this SNR, dB (default: 6)")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeded halves (default: 5)")
    parser.add_argument("--out", type=Path, default=Path("own_scores"), help="prefix of CSV, PNG")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write scores and features here")
    options = parser.parse_args(arguments)
    arrays = read_npz(options.features)
    here = arrays["snr_db"] == options.snr
    if not here.any():
        there = ", ".join(map(str, np.unique(arrays["snr_db"])))
        raise InputError(f"--snr: no clips of {options.snr} dB (expected one of {there})")
    arrays = {name: arrays[name][here] for name in ("X", "anomaly", "product", "filename")}
    rows = []
    for seed in tqdm(range(options.seeds), desc="seed"):
        scored = score(arrays, seed)
        rows += rate(scored, seed)
        if seed == 0 and options.write is not None:
            write_files(options.write, scored)
    for scorer in SCORERS:
        for column, title in ((4, "AUC"), (5, "pAUC")):
            print(f"\n{scorer}: {title} [%], {options.snr} dB, {options.seeds} seeded halves")
            print(table(rows, scorer, column=column))
    write_text(options.out.with_suffix(".csv"), to_csv([COLUMNS, *rows]))
    draw(options.out.with_suffix(".png"), rows)
    print(f"\nwritten: {options.out.with_suffix('.csv')}, {options.out.with_suffix('.png')}")
    if options.write is not None:
        print(
            f"\nThe same for the first seed:\n"
            f"  jax-dns smooth --scores {options.write}/pca "
            f"--features {options.write}/features.npz --k auto --out {options.write}/smoothed\n"
            f"  jax-dns evaluate --scores {options.write}/smoothed"
        )


if __name__ == "__main__":
    run(main)
