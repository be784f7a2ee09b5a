"""`jax-dns evaluate`: AUC and pAUC of anyone's score files."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from jax_dns.commands.parser import Parser, add_score_options, check_score_options
from jax_dns.errors import InputError, UsageError

DESCRIPTION = """Compute AUC, and pAUC up to a false-positive rate of 0.1, of anomaly scores.

They are listed by machine type, section and domain. Labels are read from the clips' names,
section_SS_<source|target>_test_<normal|anomaly>_NNNN.wav or normal_id_NN_NNNNNNNN.wav, from a
column `label`, or from --ground-truth. Sections without labels are listed as unlabelled.

  jax-dns evaluate --scores scores.csv --ground-truth labels.csv
  jax-dns evaluate --scores runs/mine/fan/scores.csv --column Proposed
  jax-dns evaluate --scores DIR --ground-truth EVALUATOR --year 2023"""
YEARS = range(2020, 2026)


def main(arguments: list[str]) -> None:
    """Prints the tables, and writes result.csv if asked to."""
    options = _options(arguments)
    from jax_dns.score_files.read_labels import with_labels
    from jax_dns.score_files.read_scores import read_scores

    scores, matches = with_labels(
        read_scores(
            options.scores,
            machine=options.machine,
            column=options.column,
            name_key=options.name_key,
        ),
        options.ground_truth,
    )
    for machine, match in matches.items():
        print(f"labels of {machine}: {match}")
    written = _by_year(options, scores) if options.year else _by_domain(options, scores)
    if not written:
        print("\nNo section has labelled clips of both classes: nothing to evaluate.")
    elif options.out is not None:
        print(f"\nwritten: {options.out / 'result.csv'}")


def _options(arguments: list[str]) -> Namespace:
    parser = Parser("evaluate", DESCRIPTION)
    add_score_options(parser)
    parser.add_argument(
        "--year",
        type=int,
        choices=YEARS,
        metavar="YEAR",
        help="print the figures and the official score of this year's DCASE task, 2020 to 2025 "
        "(default: AUC and pAUC of each section and domain, and of each section)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write result.csv here")
    options = parser.parse_args(arguments)
    check_score_options(options)
    if options.out is not None and options.out.suffix == ".csv":
        raise UsageError(f"--out: {options.out}, expected a folder (for a result.csv)")
    return options


def _by_domain(options: Namespace, scores: dict[str, Any]) -> bool:
    """Prints every section and domain; returns whether any has metrics."""
    from jax_dns.score_files import metric_tables
    from jax_dns.score_files.official import write_results

    reports = _each(options, scores, metric_tables.evaluate_sections)
    print(metric_tables.section_table(reports))
    for title, pooled in (("Each section and domain", False), ("Domains pooled", True)):
        means = metric_tables.means_table(reports, pooled=pooled)
        if means:
            print(f"\n{title}\n{means}")
    metrics = {m: [r.metrics for r in sections if r.metrics] for m, sections in reports.items()}
    if options.out is not None and any(metrics.values()):
        write_results(options.out, metrics)
    return any(metrics.values())


def _by_year(options: Namespace, scores: dict[str, Any]) -> bool:
    """Prints the figures of a year; returns whether there are any."""
    from jax_dns.score_files import metric_tables
    from jax_dns.score_files.official import write_results, write_year_results

    year = options.year
    figures = _each(options, scores, lambda rows: metric_tables.year_figures(rows, year))
    print(metric_tables.year_table(figures, year))
    found = any(section for sections in figures.values() for section in sections.values())
    if options.out is not None and found:
        if year == 2021:
            reports = _each(options, scores, metric_tables.evaluate_sections)
            metrics = {m: [r.metrics for r in found if r.metrics] for m, found in reports.items()}
            write_results(options.out, metrics)
        else:
            write_year_results(options.out, figures, year)
    return found


def _each(options: Namespace, scores: dict[str, Any], function: Any) -> dict[str, Any]:
    """Applies a function to each machine type's rows; an error names the machine type."""
    out = {}
    for machine, rows in scores.items():
        try:
            out[machine] = function(rows)
        except InputError as error:
            raise InputError(f"{options.scores}: {machine}: {error}") from error
    return out
