"""Tables I and II of the paper from finished runs, beside the paper's own figures.

    python experiments/table2.py --workdir DIR [--workdir DIR2 ...] [--readings]

DIR is the workdir of a `jax-dns run`; several hold other seeds or machine types. Writes table2.md,
table2.csv and table2.tex and prints the first. Nothing is trained: everything comes from
segments.npz, serial_oe.npz and smoothed.npz. Both readings of the domains; mean ± deviation over
seeds; 95 % bootstrap intervals: clips drawn within section, domain and label (recordings where a
manifest.csv beside the clips names them) with scores and settings held fixed, the same draw for
every method and seed; paired differences of Proposed to AE and SerialOE.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from command_line import parser_of, run
from ml_collections import ConfigDict
from paper import bootstrap_table, comparison, published
from paper.comparison import Entries
from paper.manifest import find_manifest, read_manifest
from paper.merge_runs import open_together
from paper.readings import alternatives, rated

from jax_dns.errors import InputError
from jax_dns.evaluation.tables import ALL, Table, to_csv, to_latex, to_markdown
from jax_dns.files import write_text
from jax_dns.pipeline.select import setting_rows
from jax_dns.pipeline.smooth import READINGS, TITLES, RunResults
from jax_dns.pipeline.workdir import CompletedRun

AS_RUN = "as run"
TOYCAR = {
    "pooled": "AUC of ToyCar in section 5",
    "by_domain": "harmonic mean of the two domains' AUC of ToyCar in section 5",
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = parser_of(__doc__)
    add = parser.add_argument
    add("--workdir", type=Path, action="append", required=True, help="of a run; may be repeated")
    add("--out", type=Path, help="folder for the tables (default: table2 in the first workdir)")
    add("--resamples", type=int, default=1000, help="of the bootstrap (default 1000; 0: none)")
    add("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    add(
        "--manifest",
        action="append",
        default=[],
        metavar="MACHINE=FILE",
        help="recording of each clip (default: its manifest.csv in data.root)",
    )
    add("--readings", action="store_true", help="also other readings of the paper, from segments")
    add("--no-paper", action="store_true", help="leave the paper's figures out")
    options = parser.parse_args(arguments)
    if options.resamples < 0 or options.seed < 0:
        parser.error("--resamples and --seed: expected 0 or more")
    if any(not all(text.partition("=")) for text in options.manifest):
        parser.error("--manifest: expected MACHINE=FILE")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Reads the workdirs, prints and writes the tables."""
    options = parse(arguments)
    finished = open_together(options.workdir)
    recordings = manifests(finished, options.manifest)
    counts = bootstrap_table.draw(
        finished.found, n_resamples=options.resamples, seed=options.seed, recordings=recordings
    )
    results = {
        (reading, ""): compare(finished.config, finished.found, reading, counts)
        for reading in READINGS
    }
    if not all(compared.entries for compared in results.values()):
        raise InputError(
            f"{options.workdir[0]}: no labelled test clips of both classes in sections "
            f"{sections(finished)}, no table"
        )
    if options.readings:
        none = bootstrap_table.draw(finished.found, n_resamples=0, seed=0)
        for name, found in rated(alternatives(finished.config), finished.folders):
            for reading in READINGS:
                results[reading, name] = compare(finished.config, found, reading, none)
    beside = not options.no_paper and is_papers(finished)
    machines = list(next(iter(finished.found.values())))
    tables: list[Table] = []
    for reading in READINGS:
        drawn = note(finished, options.resamples, recordings)
        tables += main_tables(results[reading, ""], machines, reading, finished, drawn, beside)
    for reading in READINGS if options.readings else ():
        columns = columns_of(results[reading, ""].entries, machines)
        tables.append(
            comparison.table_readings(
                {n or AS_RUN: c.entries for (r, n), c in results.items() if r == reading},
                columns,
                beside=beside,
                caption=f"Readings of the paper beside the run's own; {TITLES[reading]} [%]",
            )
        )
    rows = [
        row
        for (reading, name), (entries, settings) in results.items()
        for some in (entries, comparison.differences(entries))
        for row in comparison.csv_rows(
            some,
            reading=reading,
            alternative=name,
            settings=settings,
            machines=machines,
            beside=beside,
        )
    ]
    out = options.out or options.workdir[0] / "table2"
    markdown = "\n".join(map(to_markdown, tables))
    write_text(out / "table2.md", markdown)
    write_text(out / "table2.csv", to_csv([comparison.CSV_HEAD, *rows]))
    write_text(out / "table2.tex", "\n".join(map(to_latex, tables)))
    print(f"{markdown}\ntable2.md, table2.csv, table2.tex in {out}")


class Compared(NamedTuple):
    """One reading of the paper and of the domains."""

    entries: Entries
    settings: Mapping[str, Mapping[str, str]]  # method -> column -> the settings selected


def compare(
    config: ConfigDict, found: RunResults, reading: str, counts: bootstrap_table.Counts
) -> Compared:
    """Selects, and rates what was selected."""
    chosen = bootstrap_table.choose(config, found, reading)
    columns = list(next(iter(chosen.values())))
    settings = {method: dict(zip(columns, row)) for method, row in setting_rows(chosen).items()}
    return Compared(bootstrap_table.entries(config, found, chosen, counts, reading), settings)


def main_tables(
    compared: Compared,
    machines: list[str],
    reading: str,
    finished: CompletedRun,
    drawn: str,
    beside: bool,
) -> list[Table]:
    """Table I, Table II and the paired differences under one reading of the domains."""
    entries, settings = compared
    columns = columns_of(entries, machines)
    of_settings = [column for column in columns if column != ALL]
    chosen_on = ",".join(map(str, finished.config.data.dev_sections))
    toycar = f"; {published.TOYCAR_5}: {TOYCAR[reading]}" if published.TOYCAR_5 in columns else ""
    one = f"Settings (the paper's Table I), selected on sections {chosen_on}"
    two = "Results (the paper's Table II): harmonic mean of AUC and pAUC [%]"
    return [
        comparison.table_one(
            {m: [row.get(c, "-") for c in of_settings] for m, row in settings.items()},
            of_settings,
            caption=f"{one}, {TITLES[reading]}",
            beside=beside,
        ),
        comparison.table_two(
            entries,
            columns,
            beside=beside,
            caption=f"{two}, sections {sections(finished)}, {TITLES[reading]}{toycar}{drawn}",
        ),
        comparison.table_two(
            comparison.differences(entries),
            columns,
            beside=False,
            signed=True,
            caption=f"Paired differences of the results [points]; {TITLES[reading]}{drawn}",
        ),
    ]


def note(
    finished: CompletedRun, resamples: int, recordings: Mapping[str, Mapping[str, str]]
) -> str:
    """What deviation and interval are, for a caption."""
    machines = next(iter(finished.found.values()))
    unit = "clips" if not recordings else f"clips, of recordings for {', '.join(recordings)}"
    unit = "recordings" if set(recordings) == set(machines) else unit
    seeds = len(finished.found)
    text = f"; mean ± deviation of {seeds} seeds" if seeds > 1 else ""
    return text + (f"; 95 %: {resamples:,} bootstrap resamples of {unit}" if resamples else "")


def columns_of(entries: Entries, machines: list[str]) -> list[str]:
    """Machine types, All-hmean, and ToyCar-5 where there is one."""
    toycar = any(published.TOYCAR_5 in row for row in entries.values())
    return [*machines, ALL, *([published.TOYCAR_5] if toycar else [])]


def sections(finished: CompletedRun) -> str:
    """Those reported."""
    return ",".join(map(str, finished.config.data.eval_sections))


def is_papers(finished: CompletedRun) -> bool:
    """Whether the paper's figures belong beside these: its machine types and sections, recorded."""
    d = finished.config.data
    synthetic = finished.config.factory.make and not d.root
    machines = next(iter(finished.found.values()))
    return (
        not synthetic
        and (tuple(d.dev_sections), tuple(d.eval_sections))
        == (published.DEV_SECTIONS, published.EVAL_SECTIONS)
        and any(machine in published.MACHINES for machine in machines)
    )


def manifests(finished: CompletedRun, given: list[str]) -> dict[str, dict[str, str]]:
    """Machine type -> clip -> recording, from the files named or those beside the clips."""
    paths = {machine: Path(path) for machine, _, path in (text.partition("=") for text in given)}
    machines = next(iter(finished.found.values()))
    for machine in paths:
        if machine not in machines:
            raise InputError(f"--manifest: {machine!r}, expected one of {', '.join(machines)}")
    root = finished.config.data.root
    for machine in machines:
        path = find_manifest(Path(root), machine) if root else None
        if path and machine not in paths:
            paths[machine] = path
    return {machine: read_manifest(path) for machine, path in paths.items()}


if __name__ == "__main__":
    run(main)
