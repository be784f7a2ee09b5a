"""`jax-dns evaluate`: AUC and pAUC of anyone's score files."""

from pathlib import Path

from jax_dns.commands.parser import Parser
from jax_dns.errors import InputError, UsageError

DESCRIPTION = """AUC, and pAUC up to a false-positive rate of 0.1, by machine, section and domain.

Labels are read off the clips' names, section_SS_<source|target>_test_<normal|anomaly>_NNNN.wav, or
joined from the ground truth. Sections without labels are printed as unlabelled."""


def main(arguments: list[str]) -> None:
    """Prints the tables; writes result.csv where asked."""
    parser = Parser("evaluate", DESCRIPTION)
    parser.add_argument(
        "--scores",
        required=True,
        type=Path,
        metavar="DIR|FILE",
        help="folder of anomaly_score_<machine>_section_SS_<source|target>_test.csv, lines of "
        "name,score; or one CSV of name,score",
    )
    parser.add_argument(
        "--ground-truth",
        type=Path,
        metavar="DIR|FILE",
        help="folder of ground_truth_<machine>_section_SS_<source|target>_test.csv, the official "
        "eval_data_list.csv, or a CSV of name,0|1",
    )
    parser.add_argument(
        "--machine",
        default="",
        metavar="NAME",
        help="machine type of a single CSV (default: from its name)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write result.csv here")
    options = parser.parse_args(arguments)
    if options.out is not None and options.out.suffix == ".csv":
        raise UsageError(f"--out: {options.out}, expected a folder (for a result.csv)")
    if options.machine and options.scores.is_dir():
        raise UsageError("--machine is for a single CSV; a folder's files name their machine types")

    from jax_dns.score_files import metric_tables
    from jax_dns.score_files.official import write_results
    from jax_dns.score_files.read_labels import with_labels
    from jax_dns.score_files.read_scores import read_scores

    scores = with_labels(read_scores(options.scores, machine=options.machine), options.ground_truth)
    ratings = {}
    for machine, rows in scores.items():
        try:
            ratings[machine] = metric_tables.rate(rows)
        except InputError as error:
            raise InputError(f"{options.scores}: {machine}: {error}") from error
    print(metric_tables.rating_table(ratings))
    for title, pooled in (("Each section and domain", False), ("Domains pooled", True)):
        means = metric_tables.means_table(ratings, pooled=pooled)
        if means:
            print(f"\n{title}\n{means}")
    found = {machine: [r.cell for r in rated if r.cell] for machine, rated in ratings.items()}
    if not any(found.values()):
        print("\nNo section has labelled clips of both classes: nothing to rate.")
    elif options.out is not None:
        write_results(options.out, found)
        print(f"\nwritten: {options.out / 'result.csv'}")
