"""Makes Tables I and II of the paper from finished runs, beside the paper's own.

    python experiments/table2.py --workdir=DIR [--workdir=DIR2 ...] [--readings]

DIR is the workdir of a `jax-dns run`; several hold other seeds or machine types. Nothing is
trained: segments.npz, inlier.npz and smoothed.npz suffice. Prints the tables and writes table2.md,
table2.csv and table2.tex:

- Table I and Table II under both readings of the domains, mean ± deviation over seeds;
- 95 % bootstrap intervals: clips are drawn within section, domain and label (recordings, where a
  manifest.csv beside the clips names them), with scores and settings held fixed and the same draw
  for every method and seed;
- paired differences between the smoothing and the other methods;
- with --readings, the other readings of the paper.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from command_line import make_parser, run_main
from ml_collections import ConfigDict
from paper import bootstrap_table, comparison, published
from paper.comparison import Entries
from paper.manifest import find_manifest, read_manifest
from paper.merge_runs import open_runs
from paper.readings import evaluate_readings, other_readings

from jax_dns.errors import InputError
from jax_dns.evaluation.tables import ALL, Table, to_csv, to_latex, to_markdown
from jax_dns.files import write_text
from jax_dns.pipeline.method_results import READINGS, TITLES, RunResults
from jax_dns.pipeline.select import setting_rows
from jax_dns.pipeline.smooth import smoothing_rule
from jax_dns.pipeline.workdir import CompletedRun

AS_RUN = "as run"
TOYCAR_5_TITLES = {
    "pooled": "AUC of ToyCar in section 5",
    "by_domain": "harmonic mean of the two domains' AUC of ToyCar in section 5",
}


class ReadingTables(NamedTuple):
    """Table I and Table II under one reading of the paper and of the domains."""

    entries: Entries
    settings: Mapping[str, Mapping[str, str]]  # method -> column -> the settings selected
    differences: Entries  # of the smoothing and the other methods


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--workdir", type=Path, action="append", required=True, help="of a run; may be repeated")
    add("--out", type=Path, help="folder for the tables (default: table2 in the first workdir)")
    add("--resamples", type=int, default=1000, help="of the bootstrap; 0: none (default: 1000)")
    add("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    add(
        "--manifest",
        action="append",
        default=[],
        metavar="MACHINE=FILE",
        help="recording of each clip (default: the machine type's manifest.csv in data.root)",
    )
    add("--readings", action="store_true", help="also the other readings of the paper")
    add("--no-paper", action="store_true", help="leave out the paper's own results")
    options = parser.parse_args(arguments)
    if options.resamples < 0 or options.seed < 0:
        parser.error("--resamples and --seed: expected 0 or more")
    if any(not all(text.partition("=")) for text in options.manifest):
        parser.error("--manifest: expected MACHINE=FILE")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Reads the workdirs, prints and writes the tables."""
    options = parse(arguments)
    run = open_runs(options.workdir)
    recordings = read_manifests(run, options.manifest)
    counts = bootstrap_table.draw_clips(
        run.results, n_resamples=options.resamples, seed=options.seed, recordings=recordings
    )
    tables = {
        (reading, ""): make_tables(run.config, run.results, reading, counts) for reading in READINGS
    }
    if not all(one.entries for one in tables.values()):
        raise InputError(
            f"{options.workdir[0]}: no labelled test clips of both classes in sections "
            f"{eval_sections(run)}, no table"
        )
    if options.readings:
        no_counts = bootstrap_table.draw_clips(run.results, n_resamples=0, seed=0)
        readings = evaluate_readings(other_readings(run.config), run.folders)
        for name, results in readings:
            for reading in READINGS:
                tables[reading, name] = make_tables(run.config, results, reading, no_counts)
    show_paper = not options.no_paper and has_papers_data(run)
    machines = list(next(iter(run.results.values())))
    note = describe_spread(run, options.resamples, recordings)
    texts: list[Table] = []
    for reading in READINGS:
        texts += main_tables(tables[reading, ""], machines, reading, run, note, show_paper)
    for reading in READINGS if options.readings else ():
        texts.append(
            comparison.table_readings(
                {n or AS_RUN: one.entries for (r, n), one in tables.items() if r == reading},
                columns_of(tables[reading, ""].entries, machines),
                show_paper=show_paper,
                caption=f"Readings of the paper beside the run's own; {TITLES[reading]} [%]",
            )
        )
    rows = [
        row
        for (reading, name), one in tables.items()
        for entries in (one.entries, one.differences)
        for row in comparison.csv_rows(
            entries,
            reading=reading,
            alternative=name,
            settings=one.settings,
            machines=machines,
            show_paper=show_paper,
        )
    ]
    out = options.out or options.workdir[0] / "table2"
    markdown = "\n".join(map(to_markdown, texts))
    write_text(out / "table2.md", markdown)
    write_text(out / "table2.csv", to_csv([comparison.CSV_HEAD, *rows]))
    write_text(out / "table2.tex", "\n".join(map(to_latex, texts)))
    print(f"{markdown}\nWritten to {out}: table2.md, table2.csv, table2.tex")


def make_tables(
    config: ConfigDict, results: RunResults, reading: str, counts: bootstrap_table.Counts
) -> ReadingTables:
    """Selects settings and evaluates them under one reading of the domains."""
    chosen = bootstrap_table.choose_rows(config, results, reading)
    columns = list(next(iter(chosen.values())))
    settings = {method: dict(zip(columns, row)) for method, row in setting_rows(chosen).items()}
    entries = bootstrap_table.make_entries(config, results, chosen, counts, reading)
    pairs = comparison.differences(entries, smoothing_rule(config).name)
    return ReadingTables(entries, settings, pairs)


def main_tables(
    tables: ReadingTables,
    machines: list[str],
    reading: str,
    run: CompletedRun,
    note: str,
    show_paper: bool,
) -> list[Table]:
    """Makes Table I, Table II and the paired differences under one reading of the domains."""
    columns = columns_of(tables.entries, machines)
    setting_columns = [column for column in columns if column != ALL]
    dev_sections = ",".join(map(str, run.config.data.dev_sections))
    toycar_5 = ""
    if published.TOYCAR_5 in columns:
        toycar_5 = f"; {published.TOYCAR_5}: {TOYCAR_5_TITLES[reading]}"
    one = f"Settings (the paper's Table I), selected on sections {dev_sections}"
    two = "Results (the paper's Table II): harmonic mean of AUC and pAUC [%]"
    return [
        comparison.table_one(
            {m: [row.get(c, "-") for c in setting_columns] for m, row in tables.settings.items()},
            setting_columns,
            caption=f"{one}, {TITLES[reading]}",
            show_paper=show_paper,
        ),
        comparison.table_two(
            tables.entries,
            columns,
            show_paper=show_paper,
            caption=f"{two}, sections {eval_sections(run)}, {TITLES[reading]}{toycar_5}{note}",
        ),
        comparison.table_two(
            tables.differences,
            columns,
            show_paper=False,
            signed=True,
            caption=f"Paired differences of the results [points]; {TITLES[reading]}{note}",
        ),
    ]


def describe_spread(
    run: CompletedRun, resamples: int, recordings: Mapping[str, Mapping[str, str]]
) -> str:
    """Describes deviation and interval, for a caption."""
    machines = next(iter(run.results.values()))
    unit = "clips" if not recordings else f"clips, of recordings for {', '.join(recordings)}"
    unit = "recordings" if set(recordings) == set(machines) else unit
    n_seeds = len(run.results)
    text = f"; mean ± deviation of {n_seeds} seeds" if n_seeds > 1 else ""
    return text + (f"; 95 %: {resamples:,} bootstrap resamples of {unit}" if resamples else "")


def columns_of(entries: Entries, machines: list[str]) -> list[str]:
    """Returns the machine types, All-hmean, and ToyCar-5 where it has entries."""
    has_toycar_5 = any(published.TOYCAR_5 in row for row in entries.values())
    return [*machines, ALL, *([published.TOYCAR_5] if has_toycar_5 else [])]


def eval_sections(run: CompletedRun) -> str:
    """Returns the numbers of the sections that are reported."""
    return ",".join(map(str, run.config.data.eval_sections))


def has_papers_data(run: CompletedRun) -> bool:
    """Returns whether the run has recordings of the paper's machine types, in its sections."""
    data = run.config.data
    synthetic = run.config.synthetic.make and not data.root
    machines = next(iter(run.results.values()))
    sections = tuple(data.dev_sections), tuple(data.eval_sections)
    return (
        not synthetic
        and sections == (published.DEV_SECTIONS, published.EVAL_SECTIONS)
        and any(machine in published.MACHINES for machine in machines)
    )


def read_manifests(run: CompletedRun, options: list[str]) -> dict[str, dict[str, str]]:
    """Reads machine type -> clip -> recording, from the files given or beside the clips."""
    paths = {machine: Path(path) for machine, _, path in (text.partition("=") for text in options)}
    machines = next(iter(run.results.values()))
    for machine in paths:
        if machine not in machines:
            raise InputError(f"--manifest: {machine!r}, expected one of {', '.join(machines)}")
    root = run.config.data.root
    for machine in machines:
        path = find_manifest(Path(root), machine) if root else None
        if path and machine not in paths:
            paths[machine] = path
    return {machine: read_manifest(path) for machine, path in paths.items()}


if __name__ == "__main__":
    run_main(main)
