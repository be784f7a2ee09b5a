"""Tables of results, and how they are written: as text, Markdown, LaTeX and CSV.

A figure is a list of fractions of 1, one for each seed; tables show it in percent.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tabulate import LATEX_ESCAPE_RULES, SEPARATING_LINE, tabulate

from jax_dns.evaluation.metrics import POOLED, SectionMetrics, harmonic_mean

ALL = "All-hmean"
MISSING = "-"
MATH = {"±": r"$\pm$", "−": "$-$"}  # characters that LaTeX sets in math mode


class Table(NamedTuple):
    """A table of text: every row has as many cells as the head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


def to_text(table: Table, *, left: int = 1) -> str:
    """Formats a table with aligned columns, its caption in the first line.

    Args:
      table: of text.
      left: number of columns aligned to the left; the others are aligned to the right.
    """
    # The head is a row like the others: tabulate would pad its columns.
    text = _tabulate((), [table.head, *table.rows], "plain", left)
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join([table.caption, *lines] if table.caption else lines)


def to_markdown(table: Table) -> str:
    """Formats a table as Markdown, with its caption as a paragraph above it."""
    head, *rows = ([cell.replace("|", r"\|") for cell in row] for row in (table.head, *table.rows))
    return f"{table.caption}\n\n{_tabulate(head, rows, 'pipe')}\n"


def to_latex(table: Table) -> str:
    """Formats a table as a LaTeX float that needs no packages.

    A rule separates blocks of rows: a block is a row with a name and those without one below it.
    """
    rows: list = []
    for above, row in zip([None, *table.rows], table.rows):
        if above is not None and row[0] and not above[0]:
            rows.append(SEPARATING_LINE)
        rows.append(list(row))
    caption = "".join(LATEX_ESCAPE_RULES.get(character, character) for character in table.caption)
    text = "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            _tabulate(table.head, rows, "latex"),
            r"\end{table}",
        ]
    )
    for character, command in MATH.items():
        text = text.replace(character, command)
    return text + "\n"


def to_csv(rows: Iterable[Sequence]) -> str:
    """Formats rows as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def percent(values: Iterable[float]) -> str:
    """Formats a figure: "71.84" for one value, "71.84±1.20" for several, "-" for none.

    Several values are shown as mean and sample standard deviation. NaN counts as no value.
    """
    values = [100 * value for value in values if not math.isnan(value)]
    if not values:
        return MISSING
    deviation = f"±{np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{deviation}"


def best(figures: Sequence[Sequence[float]]) -> list[bool]:
    """Returns which figures have the largest mean, compared with the two decimals that are shown.

    None is marked where there are fewer than two figures to compare.

    Args:
      figures: values of each figure; one without values isn't compared.
    """
    means = [
        round(100 * float(np.mean(kept)), 2) if (kept := [v for v in figure if v == v]) else None
        for figure in figures
    ]
    compared = [mean for mean in means if mean is not None]
    return [len(figures) > 1 and mean is not None and mean == max(compared) for mean in means]


def with_all_hmean(row: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Adds All-hmean, the harmonic mean over machine types, for each seed.

    Args:
      row: machine type -> one value for each seed.
    """
    seeds = zip(*row.values())
    return {m: list(values) for m, values in row.items()} | {ALL: [*map(harmonic_mean, seeds)]}


def add_all_hmean(
    rows: Mapping[str, Mapping[str, Sequence[float]]],
) -> dict[str, dict[str, list[float]]]:
    """Adds All-hmean to each method that has a figure for every machine type.

    Args:
      rows: method -> machine type -> one value for each seed, fractions of 1.
    """
    machines = {machine for row in rows.values() for machine in row}
    return {
        method: with_all_hmean(row)
        if len(row) == len(machines)
        else {m: list(values) for m, values in row.items()}
        for method, row in rows.items()
    }


def table_two(rows: Mapping[str, Mapping[str, Sequence[float]]], caption: str) -> Table:
    """Returns a row for each method and a column for each machine type and All-hmean, in percent.

    Args:
      rows: method -> machine type -> one value for each seed, fractions of 1.
      caption: of the table.
    """
    machines = list(dict.fromkeys(machine for row in rows.values() for machine in row))
    columns = (*machines, ALL)
    lines = [
        [method, *(percent(row.get(column, [])) for column in columns)]
        for method, row in add_all_hmean(rows).items()
    ]
    return Table(["Method", *columns], lines, caption)


def details(rows: Mapping[str, Sequence[Sequence[SectionMetrics]]], caption: str) -> Table:
    """Returns a row for each method and a column for each section and domain: AUC/pAUC in percent.

    Args:
      rows: method and setting -> for each seed the metrics by section and domain.
      caption: of the table.
    """
    places = places_of(rows.values())
    lines = []
    for name, seeds in rows.items():
        line = [name]
        for place in places:
            metrics = metrics_at(seeds, place)
            pair = (percent(m.auc for m in metrics), percent(m.pauc for m in metrics))
            line.append("/".join(pair) if metrics else MISSING)
        lines.append(line)
    columns = [f"{section:02d} {domain}" for section, domain in places]
    return Table(["AUC/pAUC", *columns], lines, caption)


def places_of(runs: Iterable[Sequence[Sequence[SectionMetrics]]]) -> list[tuple[int, str]]:
    """Returns every section and domain: by section, then source, target and both pooled."""
    return sorted(
        {(m.section, m.domain) for seeds in runs for metrics in seeds for m in metrics},
        key=lambda place: (place[0], ("source", "target", POOLED).index(place[1])),
    )


def metrics_at(
    seeds: Sequence[Sequence[SectionMetrics]], place: tuple[int, str]
) -> list[SectionMetrics]:
    """Returns the metrics of one section and domain, those of each seed that has them."""
    return [m for metrics in seeds for m in metrics if (m.section, m.domain) == place]


def _tabulate(head: Sequence[str], rows: Sequence, style: str, left: int = 1) -> str:
    columns = len(head or rows[0])
    sides = ["left"] * left + ["right"] * (columns - left)
    return tabulate(rows, list(head), tablefmt=style, disable_numparse=True, colalign=sides)
