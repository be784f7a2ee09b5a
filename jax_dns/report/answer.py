"""The report's opening: how the smoothed score compares with the generative one."""

from typing import NamedTuple

from ml_collections import ConfigDict

from jax_dns.evaluation.bootstrap import Difference, ScorePair, paired_difference
from jax_dns.evaluation.hyperparameters import TableRow
from jax_dns.pipeline.method_results import TITLES, RunResults
from jax_dns.pipeline.select import ChosenRows

READING = "pooled"
RESAMPLES = 1000


class Answer(NamedTuple):
    """What the report says first."""

    sentence: str
    detail: str = ""


NO_LABELS = Answer(
    "No section has labelled test clips of both classes: the scores can't be evaluated."
)


def answer(config: ConfigDict, results: RunResults, chosen: ChosenRows) -> Answer:
    """Compares the smoothed score with the generative score.

    Args:
      config: of the run.
      results: every method in every setting.
      chosen: the rows of Table II with the domains of a section pooled.

    Returns:
      A sentence and its details. The smoothing in its oracle setting stands in where no setting
      could be chosen on the development sections.
    """
    pairs = {
        (seed, machine): (_generative(rows), _smoothed(rows))
        for seed, by_machine in chosen.items()
        for machine, rows in by_machine.items()
    }
    if not all(before and after for before, after in pairs.values()):
        return NO_LABELS
    runs = [
        {
            machine: ScorePair(
                results[seed][machine].clips, *(row.result.scores for row in pairs[seed, machine])
            )
            for machine in by_machine
        }
        for seed, by_machine in chosen.items()
    ]
    difference = paired_difference(
        runs, sections=tuple(config.data.eval_sections), pooled=True, n_resamples=RESAMPLES
    )
    if difference is None:
        return NO_LABELS
    before, after = next(iter(pairs.values()))
    machines = len(next(iter(chosen.values())))
    return Answer(
        sentence(before.label, after.label, difference),
        _detail(config, difference, machines, len(runs), after),
    )


def sentence(before: str, after: str, difference: Difference) -> str:
    """Returns such as "Proposed is 1.2 points below AE, 95 % interval −3.0 to 0.5."."""
    gap = 100 * (difference.second - difference.first)
    low, high = (_signed(100 * value) for value in (difference.low, difference.high))
    if f"{abs(gap):.1f}" == "0.0":
        middle = f"as good as {before} to 0.1 points"
    else:
        middle = f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'} {before}"
    return f"{after} is {middle}, 95\u00a0% interval {low} to {high}."


def _signed(value: float) -> str:
    text = f"{value:.1f}".replace("-", "−")
    return "0.0" if text == "−0.0" else text


def _detail(
    config: ConfigDict, difference: Difference, machines: int, seeds: int, after: TableRow
) -> str:
    types = f" and {machines} machine types" if machines > 1 else ""
    means = f", means of {seeds} seeds" if seeds > 1 else ""
    texts = [
        f"Harmonic mean of AUC and pAUC over {sections_text(config)}{types}, {TITLES[READING]}: "
        f"{100 * difference.second:.1f} % against {100 * difference.first:.1f} %{means}.",
        f"The interval is from {RESAMPLES:,} paired bootstrap resamples of the test clips, with "
        "the settings held fixed.",
    ]
    if difference.low <= 0 <= difference.high:
        texts.append("It includes 0: these test clips don't tell which of the two is better.")
    if after.is_oracle:
        texts.append("The setting was chosen on the sections that evaluate it.")
    return " ".join(texts)


def sections_text(config: ConfigDict) -> str:
    """Returns the evaluation sections in words: "sections 3, 4, 5"."""
    sections = list(map(str, config.data.eval_sections))
    return f"section{'s' * (len(sections) > 1)} {', '.join(sections)}"


def _generative(rows: list[TableRow]) -> TableRow | None:
    return next((row for row in rows if row.result.is_fixed), None)


def _smoothed(rows: list[TableRow]) -> TableRow | None:
    """Returns the smoothing as selected, or else its oracle."""
    smoothed = [row for row in rows if row.result.oracle]
    return next((row for row in smoothed if not row.is_oracle), next(iter(smoothed), None))
