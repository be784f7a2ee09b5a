"""Figure 5 of the paper: how the method fares with fewer clips to smooth over.

    python experiments/figure5.py --workdir=DIR

DIR is the workdir of a `jax-dns run`; its segments.npz suffices. 5 %, 10 %, ... 100 % of the clips
of the evaluation sections are drawn 20 times, with their ratios of sections, domains and labels;
under one seed a larger draw holds the smaller. The drawn clips are smoothed among themselves and
rated, with the best K and pool in each draw, beside the autoencoder's own scores of the same clips.
The Ks are the run's, K = 1 among them, so the best is never worse than the autoencoder; and the
best of many settings by the labels of few clips flatters, the more the fewer they are. --score=all
rates every clip, smoothed over the drawn ones.

Writes figure5.csv (each machine type, draw, share, reading of the domains and method) and
figure5.png (mean and standard deviation over the draws). Seven machine types of the paper's size,
three sections of 2,800 segments each, take 135 s on one core of an AMD EPYC.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from command_line import parser_of, run, seed_of
from ml_collections import ConfigDict
from paper.clip_draws import READINGS, Rating, rate_draws
from paper.umap_panels import FORMATS, save_figure
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.evaluation.tables import ALL, Table, percent, to_csv, to_text, with_all_hmean
from jax_dns.files import write_text
from jax_dns.pipeline.index import names
from jax_dns.pipeline.smooth import TITLES, smoothing_groups
from jax_dns.pipeline.workdir import read_config, seed_folder, with_segments
from jax_dns.segments_file import Segments, read_segments

METHODS = {"AE": ("#D55E00", "--"), "Proposed (Oracle)": ("#0072B2", "-")}  # Okabe and Ito's
COLUMNS = 4  # panels side by side at most
Ratings = dict[str, list[Rating]]  # machine type -> one each draw, share, reading and method


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = parser_of(__doc__)
    add = parser.add_argument
    add("--workdir", type=Path, required=True, help="of a run")
    add("--machines", help="such as fan,pump (default: the run's)")
    add("--seed", type=int, help="of the run (default: its first)")
    add("--draws", type=int, default=20, help="at each share, seeded 0, 1, ... (default 20)")
    add("--step", type=float, default=5, help="between shares, %% (default 5)")
    add("--score", choices=("drawn", "all"), default="drawn", help="clips rated (default: drawn)")
    add(
        "--reading",
        choices=tuple(READINGS),
        default="pooled",
        help="of the domains, as drawn; the CSV has both (default: pooled)",
    )
    add("--format", choices=FORMATS, default="png")
    add("--out", type=Path, help="folder (default: figure5 in the workdir)")
    options = parser.parse_args(arguments)
    if options.draws < 1 or not 0 < options.step <= 100:
        parser.error("--draws and --step: expected at least 1, and above 0 up to 100")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Draws, rates, writes and prints."""
    options = parse(arguments)
    workdir = options.workdir.absolute()
    config = read_config(workdir)
    seed = seed_of(config, options.seed)
    folder = seed_folder(config, workdir, seed)
    machines = names(options.machines or config.data.machines) or with_segments(config, workdir)
    steps = int(100 / options.step + 1e-9)
    shares = [round(options.step * (i + 1) / 100, 6) for i in range(steps)]
    segments = {m: evaluated(config, folder / m / "segments.npz") for m in machines}
    found: Ratings = {machine: [] for machine in machines}
    with tqdm(total=len(machines) * options.draws * steps, desc="draws", unit="draw") as bar:
        for machine, test in segments.items():
            bar.set_postfix_str(machine)
            for ratings in rated(config, test, shares, options.draws, options.score):
                found[machine] += ratings
                bar.update()
    out = options.out or workdir / "figure5"
    rows = [(machine, *rating) for machine, ratings in found.items() for rating in ratings]
    write_text(out / "figure5.csv", to_csv([("machine", *Rating._fields), *rows]))
    values = by_method(found, options.reading)
    what = "the clips drawn" if options.score == "drawn" else "all clips, over those drawn"
    title = f"Harmonic mean of AUC and pAUC [%] of {what}; {TITLES[options.reading]}"
    print(f"{title}; mean±deviation of {options.draws} draws\n{table(values, shares)}")
    picture = out / f"figure5.{options.format}"
    try:
        save_figure(
            plot(values, shares, f"{title}\nmean and deviation of {options.draws} draws"), picture
        )
    except ImportError:
        print("Left out, for lack of matplotlib (pip install 'jax-dns[viz]'): the figure.")
    print(f"{out}: figure5.csv, {picture.name}")


def evaluated(config: ConfigDict, path: Path) -> Segments:
    """Test segments of the evaluation sections."""
    segments, _ = read_segments(path)
    sections = config.data.eval_sections
    rows = (segments.split == "test") & np.isin(segments.section, sections)
    if not rows.any():
        raise InputError(f"{path}: no test segments of sections {', '.join(map(str, sections))}")
    return segments.where(rows)


def rated(
    config: ConfigDict, test: Segments, shares: Sequence[float], draws: int, score: str
) -> Iterator[list[Rating]]:
    """`rate_draws` as `config.smoothing` reads the paper."""
    c = config.smoothing
    if not c.same_clip and c.unit == "segment":
        raise InputError("smoothing.same_clip: False, expected True: draws know no other reading")
    if c.groups == "machine" and c.history == "all":
        raise InputError("smoothing.history: 'all', expected split: draws are of evaluation clips")
    return rate_draws(
        test,
        ks=[int(k) for k in c.ks],
        data=names(c.data),
        shares=shares,
        draws=draws,
        score=score,
        unit=c.unit,
        groups=smoothing_groups(config, test),
        outside_pool=c.outside_pool,
        metric=c.metric,
    )


def by_method(found: Ratings, reading: str) -> dict[str, dict[str, np.ndarray]]:
    """Method -> machine type, and All-hmean of several -> [draws, shares]."""
    values: dict[str, dict[str, np.ndarray]] = {}
    for method in METHODS:
        rows = {}
        for machine, ratings in found.items():
            chosen = [r for r in ratings if (r.method, r.reading) == (method, reading)]
            draws = 1 + max(r.draw for r in chosen)
            rows[machine] = np.array([r.value for r in chosen]).reshape(draws, -1)
        shape = next(iter(rows.values())).shape
        if len(rows) > 1:
            each = {machine: value.ravel().tolist() for machine, value in rows.items()}
            rows[ALL] = np.array(with_all_hmean(each)[ALL]).reshape(shape)
        values[method] = rows
    return values


def table(values: dict[str, dict[str, np.ndarray]], shares: Sequence[float]) -> str:
    """Some shares as text."""
    some = [i for i, s in enumerate(shares) if s in (0.05, 0.25, 0.5, 0.75) or i + 1 == len(shares)]
    lines = [["", *(f"{100 * shares[i]:g} %" for i in some)]]
    for machine in next(iter(values.values())):
        for method, rows in values.items():
            lines.append([f"{machine}, {method}", *(percent(rows[machine][:, i]) for i in some)])
    return to_text(Table(lines[0], lines[1:]))


def plot(values: dict[str, dict[str, np.ndarray]], shares: Sequence[float], title: str) -> Any:
    """A panel each machine type: mean over the draws, and a band of their standard deviation."""
    from matplotlib.figure import Figure

    machines = list(next(iter(values.values())))
    n_rows = -(-len(machines) // COLUMNS)
    n_columns = -(-len(machines) // n_rows)
    figure = Figure(figsize=(max(5.5, 2.9 * n_columns), 1 + 2.5 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    x = 100 * np.asarray(shares)
    for axes, machine in zip(panels, machines):
        for method, (colour, line) in METHODS.items():
            y = 100 * values[method][machine]
            mean = y.mean(0)
            axes.plot(x, mean, line, color=colour, label=method)
            if len(y) > 1:
                band = y.std(0, ddof=1)
                axes.fill_between(x, mean - band, mean + band, color=colour, alpha=0.2, linewidth=0)
        axes.set_title(machine, fontsize=10)
        axes.set(xlim=(0, 100), xticks=range(0, 101, 20), xlabel="clips used [%]")
        axes.grid(alpha=0.3)
    for axes in panels[::n_columns]:
        axes.set_ylabel("hmean of AUC and pAUC [%]")
    for axes in panels[len(machines) :]:
        axes.set_axis_off()
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    figure.suptitle(title, fontsize=10)
    return figure


if __name__ == "__main__":
    run(main)
