"""Makes Figure 5 of the paper: the method's results with fewer clips to smooth over.

    python experiments/figure5.py --workdir=DIR

DIR is the workdir of a `jax-dns run`; its segments.npz suffices. 5 %, 10 %, ... 100 % of the clips
of the evaluation sections are drawn 20 times with the same ratios of sections, domains and labels;
under one seed a larger draw contains the smaller one. The drawn clips are smoothed among themselves
and evaluated, with the best K and pool in each draw, beside the autoencoder's scores of the same
clips. K = 1 is among the run's Ks, so the best setting is never worse than the autoencoder; and
choosing the best of many settings by the labels of few clips overstates its result, the more the
fewer clips there are. With --score=all every clip is evaluated, smoothed over the drawn ones.

Writes figure5.csv (each machine type, draw, fraction, reading of the domains and method) and
figure5.png (mean and standard deviation over the draws). Seven machine types of the paper's size,
three sections of 2,800 segments each, take 135 s on one core of an AMD EPYC.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from command_line import choose_seed, make_parser, run_main
from ml_collections import ConfigDict
from paper.clip_draws import READINGS, DrawResult, evaluate_draws
from paper.curves import STYLES, Curves, draw_curves
from paper.figure_files import FORMATS, save_figure
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.evaluation.tables import ALL, Table, percent, to_csv, to_text, with_all_hmean
from jax_dns.files import write_text
from jax_dns.pipeline.index import split_commas
from jax_dns.pipeline.method_results import TITLES
from jax_dns.pipeline.smooth import smoothing_groups
from jax_dns.pipeline.workdir import machines_with_segments, read_config, seed_folder
from jax_dns.segments_file import Segments, read_segments

TABULATED = (0.05, 0.25, 0.5, 0.75)  # fractions in the printed table, beside the last


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--workdir", type=Path, required=True, help="of a run")
    add("--machines", help="fan,pump for instance (default: the run's)")
    add("--seed", type=int, help="of the run (default: its first)")
    add("--draws", type=int, default=20, help="of each fraction, seeded 0, 1, ... (default: 20)")
    add("--step", type=float, default=5, help="between fractions, %% (default: 5)")
    add("--score", choices=("drawn", "all"), default="drawn", help="clips evaluated")
    add(
        "--reading",
        choices=tuple(READINGS),
        default="pooled",
        help="of the domains, for the figure; the CSV has both (default: pooled)",
    )
    add("--format", choices=FORMATS, default="png")
    add("--out", type=Path, help="folder (default: figure5 in the workdir)")
    options = parser.parse_args(arguments)
    if options.draws < 1 or not 0 < options.step <= 100:
        parser.error("--draws and --step: expected at least 1, and above 0 up to 100")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Draws, evaluates, writes and prints."""
    options = parse(arguments)
    workdir = options.workdir.absolute()
    config = read_config(workdir)
    seed = choose_seed(config, options.seed)
    folder = seed_folder(config, workdir, seed)
    machines = split_commas(options.machines or config.data.machines)
    machines = machines or machines_with_segments(config, workdir)
    n_fractions = int(100 / options.step + 1e-9)
    fractions = [round(options.step * (i + 1) / 100, 6) for i in range(n_fractions)]
    segments = {name: read_test(config, folder / name / "segments.npz") for name in machines}
    results: dict[str, list[DrawResult]] = {name: [] for name in machines}
    with tqdm(total=len(machines) * options.draws * n_fractions, unit="draw") as bar:
        for machine, test in segments.items():
            bar.set_description(machine)
            for part in evaluate(config, test, fractions, options.draws, options.score):
                results[machine] += part
                bar.update()
    out = options.out or workdir / "figure5"
    rows = [(machine, *result) for machine, some in results.items() for result in some]
    write_text(out / "figure5.csv", to_csv([("machine", *DrawResult._fields), *rows]))
    curves = make_curves(results, options.reading)
    clips = "the clips drawn" if options.score == "drawn" else "all clips, over those drawn"
    title = f"Harmonic mean of AUC and pAUC [%] of {clips}; {TITLES[options.reading]}"
    print(f"{title}; mean±deviation of {options.draws} draws\n{format_table(curves, fractions)}")
    path = out / f"figure5.{options.format}"
    try:
        title = f"{title}\nmean and deviation of {options.draws} draws"
        save_figure(draw_curves(curves, fractions, title), path)
    except ImportError:
        print("No figure: matplotlib is not installed (pip install 'jax-dns[viz]').")
    print(f"{out}: figure5.csv, {path.name}")


def read_test(config: ConfigDict, path: Path) -> Segments:
    """Reads the test segments of the evaluation sections."""
    segments, _ = read_segments(path)
    sections = config.data.eval_sections
    rows = (segments.split == "test") & np.isin(segments.section, sections)
    if not rows.any():
        raise InputError(f"{path}: no test segments of sections {', '.join(map(str, sections))}")
    return segments.where(rows)


def evaluate(
    config: ConfigDict, test: Segments, fractions: Sequence[float], draws: int, score: str
) -> Iterator[list[DrawResult]]:
    """Evaluates the draws as `config.smoothing` reads the paper."""
    c = config.smoothing
    if c.name != "uniform":
        raise InputError(
            f"smoothing.name: {c.name!r}, expected uniform: draws are smoothed by Eq. 7"
        )
    if not c.same_clip and c.unit == "segment":
        raise InputError("smoothing.same_clip: False, expected True for draws of segments")
    if c.groups == "machine" and c.history == "all":
        raise InputError("smoothing.history: 'all', expected split: draws are of evaluation clips")
    return evaluate_draws(
        test,
        ks=[int(k) for k in c.ks],
        data=split_commas(c.data),
        fractions=fractions,
        draws=draws,
        score=score,
        unit=c.unit,
        groups=smoothing_groups(config, test),
        outside_pool=c.outside_pool,
        metric=c.metric,
    )


def make_curves(results: Mapping[str, Sequence[DrawResult]], reading: str) -> Curves:
    """Arranges the results under one reading of the domains as curves, All-hmean included."""
    curves: dict[str, dict[str, np.ndarray]] = {}
    for method in STYLES:
        by_machine = {}
        for machine, some in results.items():
            chosen = [r for r in some if (r.method, r.reading) == (method, reading)]
            n_draws = 1 + max(r.draw for r in chosen)
            by_machine[machine] = np.array([r.value for r in chosen]).reshape(n_draws, -1)
        shape = next(iter(by_machine.values())).shape
        if len(by_machine) > 1:
            flat = {machine: values.ravel().tolist() for machine, values in by_machine.items()}
            by_machine[ALL] = np.array(with_all_hmean(flat)[ALL]).reshape(shape)
        curves[method] = by_machine
    return curves


def format_table(curves: Curves, fractions: Sequence[float]) -> str:
    """Formats some of the fractions as text, in percent."""
    last = len(fractions) - 1
    columns = [i for i, f in enumerate(fractions) if f in TABULATED or i == last]
    rows = [
        [f"{machine}, {method}", *(percent(by_machine[machine][:, i]) for i in columns)]
        for machine in next(iter(curves.values()))
        for method, by_machine in curves.items()
    ]
    return to_text(Table(["", *(f"{100 * fractions[i]:g} %" for i in columns)], rows))


if __name__ == "__main__":
    run_main(main)
