"""Two finished runs side by side: fields that differ, and paired differences of the tables."""

from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jax_dns.errors import InputError, first_three
from jax_dns.evaluation import tables
from jax_dns.evaluation.bootstrap import ScorePair, paired_difference
from jax_dns.evaluation.hyperparameters import TableRow
from jax_dns.pipeline.method_results import READINGS, TITLES
from jax_dns.pipeline.plan import changed_fields
from jax_dns.pipeline.select import chosen_rows, method_rows
from jax_dns.pipeline.workdir import CompletedRun, open_run

RESAMPLES = 1000
Pair = tuple[CompletedRun, CompletedRun]


def compare(first: Path, second: Path) -> str:
    """Compares two runs on the same test clips.

    Args:
      first: workdir A.
      second: workdir B.

    Returns:
      Text: the fields that differ, and for each reading of the domains both runs' rows of Table II
      with B - A, its paired bootstrap interval (settings held fixed), and B - A by machine type.

    Raises:
      InputError: a workdir that isn't finished, or runs without the same test clips, evaluation
        sections and number of seeds.
    """
    runs = open_run(first), open_run(second)
    machines = _common_machines(runs, (first, second))
    parts = [f"A: {first}\nB: {second}", _settings(runs[0].config, runs[1].config)]
    parts += [_tables(runs, machines, reading) for reading in READINGS]
    return "\n\n".join(parts) + "\n"


def _common_machines(runs: Pair, places: tuple[Path, Path]) -> list[str]:
    a, b = (next(iter(run.results.values())) for run in runs)
    machines = [machine for machine in a if machine in b]
    if not machines:
        raise InputError(f"{places[1]}: {', '.join(b)}, expected a machine type of {', '.join(a)}")
    seeds = [len(run.results) for run in runs]
    if seeds[0] != seeds[1]:
        raise InputError(f"{places[1]}: {seeds[1]} seeds, expected {seeds[0]} as {places[0]} has")
    sections = [tuple(run.config.data.eval_sections) for run in runs]
    if sections[0] != sections[1]:
        raise InputError(
            f"{places[1]}: data.eval_sections is {sections[1]}, expected {sections[0]} as "
            f"{places[0]} has"
        )
    for machine in machines:
        names = [set(one[machine].clips.name.tolist()) for one in (a, b)]
        if other := sorted(names[0] ^ names[1]):
            raise InputError(
                f"{machine}: clips of one run only: {first_three(other)} (expected the same test "
                "clips in both)"
            )
    return machines


def _settings(a: ConfigDict, b: ConfigDict) -> str:
    rows = [[name, *map(str, values)] for name, *values in changed_fields(a, b)]
    if not rows:
        return "The configs are equal."
    return tables.to_text(tables.Table(["Field", "A", "B"], rows), left=3)


def _tables(runs: Pair, machines: list[str], reading: str) -> str:
    chosen = [chosen_rows(run.config, run.results, reading) for run in runs]
    values = [method_rows(one) for one in chosen]
    methods = [method for method in values[0] if method in values[1]]
    overall, by_machine = [], []
    for method in methods:
        difference = paired_difference(
            _score_pairs(runs, chosen, machines, method),
            sections=tuple(runs[0].config.data.eval_sections),
            pooled=READINGS[reading],
            n_resamples=RESAMPLES,
        )
        if difference is not None:
            gap = 100 * (difference.second - difference.first)
            low, high = 100 * difference.low, 100 * difference.high
            both = [f"{100 * value:.2f}" for value in difference[:2]]
            overall.append([method, *both, f"{gap:+.2f}", f"{low:+.2f} to {high:+.2f}"])
        gaps = [
            100 * (_mean(values[1][method][machine]) - _mean(values[0][method][machine]))
            for machine in machines
        ]
        by_machine.append([method, *(f"{gap:+.2f}" if gap == gap else "-" for gap in gaps)])
    title = f"All-hmean of AUC and pAUC [%], {TITLES[reading]}"
    head = ["Method", "A", "B", "B - A", "95 % interval"]
    texts = [tables.to_text(tables.Table(head, overall, title))] if overall else []
    if len(machines) > 1 or not overall:
        caption = f"B - A by machine type, {TITLES[reading]}"
        texts.append(tables.to_text(tables.Table(["Method", *machines], by_machine, caption)))
    return "\n\n".join(texts)


def _score_pairs(
    runs: Pair, chosen: Sequence, machines: list[str], method: str
) -> list[dict[str, ScorePair]]:
    """Returns both runs' scores of one method, for each seed; B's clips in A's order."""
    pairs = []
    for seeds in zip(*(run.results for run in runs)):
        by_machine = {}
        for machine in machines:
            a, b = (
                _row(one[seed][machine], method).result.scores for one, seed in zip(chosen, seeds)
            )
            clips, other = (run.results[seed][machine].clips for run, seed in zip(runs, seeds))
            rows = {name: row for row, name in enumerate(other.name.tolist())}
            by_machine[machine] = ScorePair(clips, a, b[[rows[n] for n in clips.name.tolist()]])
        pairs.append(by_machine)
    return pairs


def _row(rows: Sequence[TableRow], method: str) -> TableRow:
    return next(row for row in rows if row.label == method)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
