"""AE, SerialOE and Proposed as the domain discrepancy grows: the paper's claim as a curve.

    python experiments/shift_sweep.py --out=shift_sweep

Not in the paper. Makes one synthetic factory for each size of the discrepancy (`factory.shift`, 0
for none), with the same sounds otherwise: source clips are the same in all, target clips move on.
On each it runs `jax-dns run` in <out>/shift_<x>/, where the same command again goes on and what is
done is not done again. Writes shift_sweep.csv (each shift, seed, machine type and method) and
shift_sweep.png, whichever way it comes out.

The default is the demo's config on two machine types, the third giving outliers too, with 24 test
clips of each section, domain and label rather than 8. Fields of the config may be changed as with
`jax-dns run`: --config.ae.epochs=100.
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
from command_line import parser_of, run
from paper.umap_panels import FORMATS, save_figure

from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import harmonic_mean
from jax_dns.evaluation.tables import Table, percent, to_csv, to_text
from jax_dns.files import write_text
from jax_dns.pipeline.workdir import read_config

DEMO = Path(__file__).resolve().parents[1] / "configs/demo.py"
SHIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
CLIPS = 24  # an AUC of 0.6 has a standard error of 0.08, of the demo's 8 clips 0.15
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
}

KEYS = ("seed", "machine", "method", "size", "data")  # of a setting in results.csv


class Point(NamedTuple):
    """A method's figures on one factory, fractions of 1; settings selected by domain."""

    shift: float
    seed: int
    machine: str
    method: str
    size: int  # clusters or K
    data: str
    auc_source: float  # harmonic mean over the evaluation sections
    auc_target: float
    hmean: float  # of AUC and pAUC over sections and domains


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """The command line, and what of it is meant for `jax-dns run`."""
    parser = parser_of(__doc__)
    add = parser.add_argument
    add("--out", type=Path, default=Path("shift_sweep"), help="folder (default: shift_sweep)")
    add("--config", type=Path, default=DEMO, help="with a factory (default: configs/demo.py)")
    add("--shifts", type=numbers, default=SHIFTS, help="0 to 1.5 (default: 0,0.25,...,1.5)")
    add("--seeds", default="0", help="of training, such as 0,1,2 (default: 0)")
    add("--machines", default="fan,gearbox", help="trained and rated (default: fan,gearbox)")
    add("--test-clips", type=int, default=CLIPS, help=f"of each kind (default: {CLIPS})")
    add("--format", choices=FORMATS, default="png")
    options, rest = parser.parse_known_args(arguments)
    for argument in rest:
        if not argument.startswith("--config."):
            parser.error(f"{argument}: not an option (expected --config.x.y=value, or see --help)")
    return options, rest


def numbers(text: str) -> tuple[float, ...]:
    """Shifts as typed, sorted."""
    return tuple(sorted({float(part) for part in text.split(",")}))


def main(arguments: list[str] | None = None) -> None:
    """Runs what isn't done, collects, writes and draws."""
    options, rest = parse(arguments)
    points: list[Point] = []
    for shift in options.shifts:
        workdir = options.out / f"shift_{shift:g}"
        command = [
            "run",
            f"--config={options.config}",
            f"--workdir={workdir}",
            f"--config.factory.shift={shift}",
            "--config.factory.make=True",
            f"--config.factory.test_normal={options.test_clips}",
            f"--config.factory.test_anomaly={options.test_clips}",
            f"--config.data.machines={options.machines}",
            f"--config.seeds=({options.seeds},)",
            "--config.evaluation.figures=False",
            "--config.evaluation.report=False",
            *rest,
        ]
        print(f"\n$ {shlex.join(['jax-dns', *command])}", flush=True)
        start = time.perf_counter()
        code = subprocess.run([sys.executable, "-m", "jax_dns", *command], check=False).returncode
        if code:
            raise InputError(f"shift {shift:g}: jax-dns ended with exit code {code}")
        print(f"shift {shift:g}: {time.perf_counter() - start:.0f} s", flush=True)
        points += collect(workdir, shift)
    write_text(options.out / "shift_sweep.csv", to_csv([Point._fields, *points]))
    print(table(points))
    picture = options.out / f"shift_sweep.{options.format}"
    try:
        save_figure(plot(points), picture)
    except ImportError:
        print("Left out, for lack of matplotlib (pip install 'jax-dns[viz]'): the figure.")
    print(f"{options.out}: shift_sweep.csv, {picture.name}")


def collect(workdir: Path, shift: float) -> list[Point]:
    """The rows of Table II in a finished workdir, with their AUC by domain."""
    sections = {str(section) for section in read_config(workdir).data.eval_sections}
    try:
        chosen = json.loads((workdir / "results.json").read_text())["readings"]["by_domain"]
        with (workdir / "results.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["section"] in sections]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{workdir}: no results to read, {error} (expected labelled test clips)"
        ) from error
    points = []
    for machine, seeds in chosen.items():
        for seed, choices in seeds.items():
            for c in choices:
                method = c["method"].removesuffix(" (Oracle)")
                setting = (seed, machine, method, str(c["size"]), c["data"])
                here = [r for r in rows if tuple(r[name] for name in KEYS) == setting]
                source, target = (
                    harmonic_mean(float(r["auc"]) for r in here if r["domain"] == domain)
                    for domain in ("source", "target")
                )
                value = float("nan") if c["value"] is None else c["value"]
                settings = (c["method"], c["size"], c["data"])
                points.append(Point(shift, int(seed), machine, *settings, source, target, value))
    return points


def values_of(points: Sequence[Point], shift: float, method: str, column: str) -> list[float]:
    """One value a seed and machine type."""
    return [getattr(p, column) for p in points if (p.shift, p.method) == (shift, method)]


def methods_of(points: Sequence[Point]) -> list[str]:
    """Methods that there are, in the tables' order."""
    return [method for method in STYLES if any(p.method == method for p in points)]


def table(points: Sequence[Point]) -> str:
    """Mean and deviation over seeds and machine types, in percent."""
    shifts = sorted({p.shift for p in points})
    texts = []
    for column, title in PANELS.items():
        lines = [[f"{title} [%]", *(f"shift {shift:g}" for shift in shifts)]]
        for method in methods_of(points):
            cells = (percent(values_of(points, shift, method, column)) for shift in shifts)
            lines.append([method, *cells])
        texts.append(to_text(Table(lines[0], lines[1:])))
    return "\n\n".join(("", *texts))


def plot(points: Sequence[Point]) -> Any:
    """A panel for each figure of merit, a curve for each method."""
    from matplotlib.figure import Figure

    shifts = sorted({p.shift for p in points})
    step = min([0.25, *np.diff(shifts)])
    figure = Figure(figsize=(11, 4.1), layout="constrained")
    panels = figure.subplots(1, len(PANELS), sharex=True, sharey=True)
    methods = methods_of(points)
    for axes, (column, title) in zip(panels, PANELS.items()):
        axes.axhline(50, color="0.6", linewidth=0.8)  # chance
        for i, method in enumerate(methods):
            colour, marker, line = STYLES[method]
            y = [100 * np.array(values_of(points, shift, method, column)) for shift in shifts]
            apart = 0.07 * step * (i - (len(methods) - 1) / 2)  # so that bars don't hide each other
            axes.errorbar(
                np.array(shifts) + apart,
                [v.mean() for v in y],
                [v.std(ddof=1) if len(v) > 1 else 0 for v in y],
                color=colour,
                marker=marker,
                linestyle=line,
                markersize=5,
                elinewidth=0.8,
                label=method,
            )
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="domain discrepancy (factory.shift)", xticks=shifts)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("%")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(methods),
        frameon=False,
    )
    machines = sorted({p.machine for p in points})
    seeds = len({p.seed for p in points})
    figure.suptitle(
        f"Synthetic {', '.join(machines)}; {seeds} seed{'s' * (seeds > 1)}; "
        "mean and deviation over machine types and seeds",
        fontsize=10,
    )
    return figure


if __name__ == "__main__":
    run(main)
