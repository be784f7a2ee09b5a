"""Draws each method's results against the size of the domain shift, on synthetic factories.

    python experiments/shift_sweep.py --out=shift_sweep

Not in the paper: its claim as a curve. Makes one synthetic factory for each size of the shift
(`synthetic.shift`, 0 for none) with otherwise the same sounds: source clips are equal in all of
them, target clips move further away. Runs `jax-dns run` on each in <out>/shift_<x>/; the same
command again resumes, and skips what is done. Writes shift_sweep.csv (each shift, seed, machine
type and method) and shift_sweep.png.

The default is configs/factory.py on two machine types, the third one giving outliers, with 24 test
clips of each section, domain and label instead of 8. Config fields can be changed as with `jax-dns
run`: --config.generative.epochs=100.
"""

import argparse
import csv
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from command_line import make_parser, run_main
from paper.figure_files import FORMATS, save_figure

from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import harmonic_mean
from jax_dns.evaluation.results import ORACLE_SUFFIX
from jax_dns.evaluation.tables import Table, percent, to_csv, to_text
from jax_dns.files import write_text
from jax_dns.pipeline.workdir import read_config

CONFIG = Path(__file__).resolve().parents[1] / "configs/factory.py"
SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
TEST_CLIPS = 24  # an AUC of 0.6 has a standard error of 0.08; of the config's 8 clips 0.15
PANELS = {
    "auc_source": "AUC, source domain",
    "auc_target": "AUC, target domain",
    "hmean": "hmean of AUC and pAUC, both domains",
}
STYLES = {  # Okabe and Ito's colours
    "SerialOE": ("#009E73", "s", ":"),
    "AE": ("#D55E00", "o", "--"),
    "Proposed": ("#0072B2", "D", "-"),
    "Proposed (Oracle)": ("#56B4E9", "^", "-."),
    "Proposed (adaptive)": ("#CC79A7", "v", (0, (3, 1, 1, 1))),
}
OTHER_STYLE = ("0.5", "x", ":")  # of further methods
SETTING = ("seed", "machine", "method", "value", "data")  # columns of results.csv


class Point(NamedTuple):
    """A method's results on one factory, fractions of 1; settings selected by domain."""

    shift: float
    seed: int
    machine: str
    method: str
    value: float  # K, or clusters; 0 for the AE
    data: str
    auc_source: float  # harmonic mean over the evaluation sections
    auc_target: float
    hmean: float  # of AUC and pAUC over sections and domains


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Reads the command line; returns the options, and the arguments for `jax-dns run`."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--out", type=Path, default=Path("shift_sweep"), help="folder (default: shift_sweep)")
    add(
        "--config",
        type=Path,
        default=CONFIG,
        help="with synthetic data (default: configs/factory.py)",
    )
    add("--shifts", type=parse_shifts, default=SHIFTS, help="0 to 2 (default: 0,0.25,...,1.5)")
    add("--seeds", default="0", help="of training, 0,1,2 for instance (default: 0)")
    add("--machines", default="fan,gearbox", help="trained and evaluated (default: fan,gearbox)")
    add("--test-clips", type=int, default=TEST_CLIPS, help=f"of each kind (default: {TEST_CLIPS})")
    add("--format", choices=FORMATS, default="png")
    options, rest = parser.parse_known_args(arguments)
    for argument in rest:
        if not argument.startswith("--config."):
            parser.error(f"{argument}: not an option (expected --config.x.y=value, or see --help)")
    return options, rest


def parse_shifts(text: str) -> tuple[float, ...]:
    """Parses shifts separated by commas, and sorts them."""
    return tuple(sorted({float(part) for part in text.split(",")}))


def main(arguments: list[str] | None = None) -> None:
    """Runs every factory that is not done, collects the results, writes and draws them."""
    options, config_arguments = parse(arguments)
    points: list[Point] = []
    for shift in options.shifts:
        workdir = options.out / f"shift_{shift:g}"
        command = [
            "run",
            f"--config={options.config}",
            f"--workdir={workdir}",
            f"--config.synthetic.shift={shift}",
            "--config.synthetic.make=True",
            f"--config.synthetic.test_normal={options.test_clips}",
            f"--config.synthetic.test_anomaly={options.test_clips}",
            f"--config.data.machines={options.machines}",
            f"--config.seeds=({options.seeds},)",
            "--config.evaluation.figures=False",
            "--config.evaluation.report=False",
            *config_arguments,
        ]
        print(f"\n$ {shlex.join(['jax-dns', *command])}", flush=True)
        start = time.perf_counter()
        code = subprocess.run([sys.executable, "-m", "jax_dns", *command], check=False).returncode
        if code:
            raise InputError(f"shift {shift:g}: jax-dns ended with exit code {code}")
        print(f"shift {shift:g}: {time.perf_counter() - start:.0f} s", flush=True)
        points += collect(workdir, shift)
    write_text(options.out / "shift_sweep.csv", to_csv([Point._fields, *points]))
    print(format_tables(points))
    path = options.out / f"shift_sweep.{options.format}"
    try:
        save_figure(draw(points), path)
    except ImportError:
        print("No figure: matplotlib is not installed (pip install 'jax-dns[viz]').")
    print(f"{options.out}: shift_sweep.csv, {path.name}")


def collect(workdir: Path, shift: float) -> list[Point]:
    """Reads the rows of Table II from a finished workdir, with their AUC by domain."""
    sections = {str(section) for section in read_config(workdir).data.eval_sections}
    try:
        chosen = json.loads((workdir / "results.json").read_text())["readings"]["by_domain"]
        with (workdir / "results.csv").open(newline="") as file:
            metrics = [row for row in csv.DictReader(file) if row["section"] in sections]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{workdir}: no results to read, {error} (expected labelled test clips)"
        ) from error
    points = []
    for machine, by_seed in chosen.items():
        for seed, rows in by_seed.items():
            for row in rows:
                method = row["method"].removesuffix(ORACLE_SUFFIX)
                setting = (seed, machine, method, str(row["value"]), row["data"])
                in_setting = [m for m in metrics if tuple(m[name] for name in SETTING) == setting]
                source, target = (
                    harmonic_mean(float(m["auc"]) for m in in_setting if m["domain"] == domain)
                    for domain in ("source", "target")
                )
                hmean = float("nan") if row["evaluation"] is None else row["evaluation"]
                columns = (row["method"], row["value"], row["data"])
                points.append(Point(shift, int(seed), machine, *columns, source, target, hmean))
    return points


def values_of(points: Sequence[Point], shift: float, method: str, column: str) -> list[float]:
    """Returns a column's value for each seed and machine type."""
    return [getattr(p, column) for p in points if (p.shift, p.method) == (shift, method)]


def methods_of(points: Sequence[Point]) -> list[str]:
    """Returns the methods that have results, those of Table II first."""
    methods = dict.fromkeys(point.method for point in points)
    return [*(m for m in STYLES if m in methods), *(m for m in methods if m not in STYLES)]


def format_tables(points: Sequence[Point]) -> str:
    """Formats mean and deviation over seeds and machine types, in percent."""
    shifts = sorted({p.shift for p in points})
    texts = []
    for column, title in PANELS.items():
        head = [f"{title} [%]", *(f"shift {shift:g}" for shift in shifts)]
        rows = [
            [method, *(percent(values_of(points, shift, method, column)) for shift in shifts)]
            for method in methods_of(points)
        ]
        texts.append(to_text(Table(head, rows)))
    return "\n\n".join(("", *texts))


def draw(points: Sequence[Point]) -> Any:
    """Draws a panel for each measure and a curve for each method; returns a matplotlib figure."""
    from matplotlib.figure import Figure

    shifts = sorted({p.shift for p in points})
    spacing = min([0.25, *np.diff(shifts)])
    figure = Figure(figsize=(11, 4.1), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharex=True, sharey=True)
    methods = methods_of(points)
    for axes, (column, title) in zip(panels, PANELS.items()):
        axes.axhline(50, color="0.6", linewidth=0.8)  # chance
        for i, method in enumerate(methods):
            colour, marker, line = STYLES.get(method, OTHER_STYLE)
            y = [100 * np.array(values_of(points, shift, method, column)) for shift in shifts]
            offset = 0.07 * spacing * (i - (len(methods) - 1) / 2)  # bars must not hide each other
            axes.errorbar(
                np.array(shifts) + offset,
                [values.mean() for values in y],
                [values.std(ddof=1) if len(values) > 1 else 0 for values in y],
                color=colour,
                marker=marker,
                linestyle=line,
                markersize=5,
                elinewidth=0.8,
                label=method,
            )
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="size of the domain shift", xticks=shifts)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("%")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(methods),
        frameon=False,
    )
    machines = sorted({p.machine for p in points})
    n_seeds = len({p.seed for p in points})
    figure.suptitle(
        f"Synthetic {', '.join(machines)}; {n_seeds} seed{'s' * (n_seeds > 1)}; "
        "mean and deviation over machine types and seeds",
        fontsize=10,
    )
    return figure


if __name__ == "__main__":
    run_main(main)
