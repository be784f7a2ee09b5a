"""Tables of percentages for a page, with the best values marked."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jax_dns.evaluation.metrics import POOLED, SectionMetrics
from jax_dns.evaluation.results import ORACLE_SUFFIX
from jax_dns.evaluation.tables import (
    ALL,
    MISSING,
    add_all_hmean,
    best,
    metrics_at,
    percent,
    places_of,
)


class Cell(NamedTuple):
    """A cell of a table."""

    text: str
    best: bool = False
    detail: str = ""  # in small print below


class Row(NamedTuple):
    """A row of a table."""

    name: str
    cells: Sequence[Cell]
    note: str = ""
    oracle: bool = False  # whether its setting was chosen on the sections that are reported


class HtmlTable(NamedTuple):
    """A table with a caption; the first column names the rows."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Row]
    subhead: Sequence[str] = ()  # under each name of the head but the first


class Reading(NamedTuple):
    """The figures under one reading of the domains."""

    note: str  # what the reading is called
    figures: Mapping[str, Mapping[str, Sequence[float]]]  # method -> machine type -> a value a seed
    settings: Mapping[str, Sequence[str]]  # method -> the setting of each machine type


def results_table(caption: str, readings: Sequence[Reading], machines: Sequence[str]) -> HtmlTable:
    """Returns Tables I and II in one: for each method and reading the figures and their settings.

    All-hmean is the first column, unless there is one machine type alone.

    Args:
      caption: of the table.
      readings: of the domains.
      machines: machine types, in order.
    """
    columns = [ALL, *machines] if len(machines) > 1 else list(machines)
    rows: dict[str, list[Row]] = {}
    for reading in readings:
        figures = add_all_hmean(reading.figures)
        marked = {c: _mark({m: row.get(c, []) for m, row in figures.items()}) for c in columns}
        for method in figures:
            texts = dict(zip(machines, reading.settings.get(method, [])))
            cells = [
                marked[c][method]._replace(detail=texts.get(c, "").replace(MISSING, ""))
                for c in columns
            ]
            row = Row(method, cells, reading.note, method.endswith(ORACLE_SUFFIX))
            rows.setdefault(method, []).append(row)
    lines = [row for of_method in rows.values() for row in of_method]
    return HtmlTable(caption, ["Method", *columns], lines)


def sections_table(
    caption: str, rows: Mapping[str, Sequence[Sequence[SectionMetrics]]], notes: Mapping[int, str]
) -> HtmlTable:
    """Returns a row for each section and domain, with AUC and pAUC of each method.

    Args:
      caption: of the table.
      rows: method and setting -> for each seed the metrics by section and domain.
      notes: section -> what it is for.
    """
    lines = []
    for section, domain in places_of(rows.values()):
        metrics = {name: metrics_at(seeds, (section, domain)) for name, seeds in rows.items()}
        auc = _mark({name: [m.auc for m in some] for name, some in metrics.items()})
        pauc = _mark({name: [m.pauc for m in some] for name, some in metrics.items()})
        cells = [cell for name in rows for cell in (auc[name], pauc[name])]
        name = f"{section:02d} {'pooled' if domain == POOLED else domain}"
        lines.append(Row(name, cells, notes.get(section, "")))
    return HtmlTable(caption, ["Section, domain", *rows], lines, subhead=("AUC", "pAUC"))


def _mark(figures: Mapping[str, Sequence[float]]) -> dict[str, Cell]:
    """Returns method -> cell of one figure, the best marked; oracles aren't compared."""
    compared = {n: f for n, f in figures.items() if not n.endswith(ORACLE_SUFFIX)}
    marks = dict(zip(compared, best(list(compared.values()))))
    return {n: Cell(percent(figure), marks.get(n, False)) for n, figure in figures.items()}
