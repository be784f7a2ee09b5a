"""What smoothing does where anomalies are rare: AUC and pAUC against their share.

    python experiments/prevalence.py --data DIR [--workdir RUN ...] [--out prevalence]
    python experiments/prevalence.py --add A.csv --add B.csv --out both

DIR holds public scores (dcase2021_dev_scores with features.npz), mimii_fan_features.npz and
toycar_logmel.npz, or some of them; RUN is the workdir of a finished `jax-dns run`. A cell is one
system, section and domain. For each share of anomalies, 50 to 0.5 %, each cell's test items are
drawn --draws times, and each rule smooths the same draw:

    K = ...              Eq. 7 with that K
    paper's K            Eq. 7 with the K of the best mean AUC on the machine's other sections, at
                         the largest share of anomalies: tuned on a test set and carried into
                         operation
    half dose            half the item's own Gaussian score, half the mean of its 15 nearest's
    adaptive             K and weight chosen by known normals, see jax_dns/smoothing/adaptive.py
    fusion               mean of the ranks of a_G and of a discriminative score
    adaptive or fusion   the adaptive rule that may take the discriminative score instead

A draw is harmed if its AUC is more than a point below a_G's. A share that half of a source's cells
have too few clips for is left out, and so is a K that some draw has too few clips for.

Writes <out>.csv (source, share and rule) and <out>.png, and prints the table. --add shows the CSV
of an earlier call too, so that sources can be computed one by one.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from command_line import make_parser, run_main
from paper.cells import Cell, draw, load_cells
from paper.rules_on_draws import ADAPTIVE, BASE, EITHER, FUSION, HALF, KS, STRICT, fixed, rate_rules
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import bulk_auc
from jax_dns.evaluation.tables import Table, to_csv, to_markdown
from jax_dns.files import write_bytes, write_text

SHARES = (0.5, 0.42, 0.2, 0.1, 0.05, 0.03, 0.01, 0.005)
PAPER = "paper's K"
SHOWN = (fixed(16), fixed(64), PAPER, HALF, ADAPTIVE, STRICT, FUSION, EITHER)
HARM = 0.01  # of AUC


class Rated(NamedTuple):
    """AUC and pAUC of every rule in one draw."""

    cell: int
    share: float
    auc: dict[str, float]
    pauc: dict[str, float]


class Point(NamedTuple):
    """One rule at one share of anomalies, over a source's cells and draws; points of AUC, %."""

    source: str
    share: float
    rule: str
    auc: float  # mean, %
    auc_change: float  # against a_G, points
    pauc_change: float
    harmed: float  # share of draws, %
    draws: int


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--data", type=Path, help="folder of public scores and features")
    add("--workdir", type=Path, action="append", default=[], help="of a finished run")
    add("--source", action="append", default=[], help="only this source; may be repeated")
    add("--add", type=Path, action="append", default=[], help="CSV of an earlier call")
    add("--out", type=Path, default=Path("prevalence"), help="without suffix (default: prevalence)")
    add("--draws", type=int, default=20, help="of each cell and share (default: 20)")
    add("--shares", default=",".join(map(str, SHARES)), help="of anomalies")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Rates, writes, draws."""
    options = parse(arguments)
    shares = [float(share) for share in options.shares.split(",")]
    points = [point for path in options.add for point in read_points(path)]
    if options.data or options.workdir:
        cells = load_cells(options.data, options.workdir)
        cells = [cell for cell in cells if not options.source or cell.source in options.source]
        points += summarise(cells, rate_cells(cells, shares, options.draws))
    if not points:
        raise InputError(f"--source: {options.source}, expected --data or --workdir with some")
    write_text(options.out.with_suffix(".csv"), to_csv([Point._fields, *points]))
    print(to_markdown(table(points)))
    try:
        write_figure(options.out.with_suffix(".png"), points)
    except ImportError:
        print("Left out, for lack of matplotlib (pip install 'jax-dns[viz]'): the figure.")


def read_points(path: Path) -> list[Point]:
    """Reads the CSV of an earlier call."""
    with path.open(newline="") as file:
        return [
            Point(r["source"], float(r["share"]), r["rule"], *map(float, list(r.values())[3:]))
            for r in csv.DictReader(file)
        ]


def rate_cells(cells: Sequence[Cell], shares: Sequence[float], draws: int) -> list[Rated]:
    """Rates every rule on every draw of every cell and share."""
    rated = []
    for number, cell in enumerate(tqdm(cells, unit="cell", mininterval=5)):
        for share in shares:
            for seed in range(draws):
                rows = draw(cell, share, np.random.default_rng([number, seed]))
                if rows is None:
                    break
                scores = rate_rules(cell, rows)
                label = cell.anomaly[rows.unlabelled].astype(int)
                auc, pauc = bulk_auc(label, np.stack(list(scores.values())))
                names = list(scores)
                rated.append(Rated(number, share, dict(zip(names, auc)), dict(zip(names, pauc))))
    return rated


def carried_k(cells: Sequence[Cell], rated: Sequence[Rated]) -> dict[int, int]:
    """Chooses each cell's K on the other sections of its system and machine, at the largest share.

    Returns:
      Cell -> K; cells without others have none.
    """
    largest = max((r.share for r in rated), default=0.0)
    rules = [fixed(k) for k in KS]
    means: dict[int, np.ndarray] = {}
    for number in {r.cell for r in rated}:
        draws = [r.auc for r in rated if r.cell == number and r.share == largest]
        if draws:
            means[number] = np.mean([[d.get(rule, np.nan) for rule in rules] for d in draws], 0)
    chosen = {}
    for number in means:
        one = cells[number]
        others = [
            means[i]
            for i in means
            if cells[i].cluster != one.cluster
            and (cells[i].source, cells[i].system, cells[i].machine)
            == (one.source, one.system, one.machine)
        ]
        if others:
            total = np.mean(others, 0)
            chosen[number] = KS[int(np.nanargmax(total))]
    return chosen


def summarise(cells: Sequence[Cell], rated: Sequence[Rated]) -> list[Point]:
    """Averages over the cells and draws of each source and share."""
    points = []
    for source in dict.fromkeys(cell.source for cell in cells):
        of_source = [r for r in rated if cells[r.cell].source == source]
        paper = carried_k(cells, of_source)
        for share in sorted({r.share for r in of_source}, reverse=True):
            draws = [r for r in of_source if r.share == share]
            if 2 * len({r.cell for r in draws}) < len({r.cell for r in of_source}):
                continue
            for rule in (BASE, *SHOWN):
                both = []
                for r in draws:
                    name = rule
                    if rule == PAPER:  # or the largest below it that the draw has clips for
                        usable = [k for k in KS if fixed(k) in r.auc and k <= paper.get(r.cell, 0)]
                        name = fixed(max(usable, default=0))
                    if name in r.auc:
                        auc, pauc = r.auc[name], r.pauc[name]
                        both.append((auc, auc - r.auc[BASE], pauc - r.pauc[BASE]))
                if len(both) == len(draws):
                    values = np.asarray(both)
                    harmed = 100 * float((values[:, 1] < -HARM).mean())
                    means = (100 * values.mean(0)).tolist()
                    points.append(Point(source, share, rule, *means, harmed, len(both)))
    return points


def table(points: Sequence[Point]) -> Table:
    """Returns a row for each source and share: change of AUC, of pAUC, share of draws harmed."""
    by_key = {(p.source, p.share, p.rule): p for p in points}
    rows = []
    for source, share in dict.fromkeys((p.source, p.share) for p in points):
        base = by_key[source, share, BASE]
        row = [f"{source}: {100 * share:g} %", f"{base.auc:.1f}"]
        for rule in SHOWN:
            p = by_key.get((source, share, rule))
            text = "-"
            if p:
                text = f"{p.auc_change:+.1f} / {p.pauc_change:+.1f}, {p.harmed:.0f} %"
            row.append(text)
        rows.append(row)
    caption = "AUC of a_G [%]; change of AUC / of pAUC against it [points], draws harmed"
    return Table(["anomalies", BASE, *SHOWN], rows, caption)


def write_figure(path: Path, points: Sequence[Point]) -> None:
    """Draws the change of AUC and the share of draws harmed, a column for each source."""
    import io

    from matplotlib.figure import Figure

    sources = list(dict.fromkeys(p.source for p in points))
    figure = Figure(figsize=(3 * len(sources) + 2, 6), layout="constrained")
    panels = figure.subplots(2, len(sources), sharex=True, squeeze=False)
    for column, source in enumerate(sources):
        for axes, field in zip(panels[:, column], ("auc_change", "harmed")):
            for rule in SHOWN:
                line = [p for p in points if (p.source, p.rule) == (source, rule)]
                x, y = [100 * p.share for p in line], [getattr(p, field) for p in line]
                style = dict(linestyle="--", zorder=3) if rule == EITHER else {}
                axes.plot(x, y, marker="o", markersize=3, label=rule, **style)
            axes.axhline(0, color="0.5", linewidth=0.8)
            axes.set_xscale("log")
            axes.grid(alpha=0.3)
        ticks = sorted({100 * p.share for p in points} - {42.0})  # beside 50
        panels[0, column].set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        panels[0, column].minorticks_off()
        panels[0, column].set_title(source, fontsize=10)
        panels[1, column].set_xlabel("anomalies [%]")
    panels[0, 0].invert_xaxis()
    panels[0, 0].set_ylabel("change of AUC [points]")
    panels[1, 0].set_ylabel("draws harmed [%]")
    handles: Any = panels[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix[1:], dpi=150)
    write_bytes(path, buffer.getvalue())


if __name__ == "__main__":
    run_main(main)
