"""Tables of percentages for a page, with the best value of each column or row marked."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jax_dns.evaluation.metrics import POOLED, SectionMetrics
from jax_dns.evaluation.results import ORACLE_SUFFIX
from jax_dns.evaluation.tables import best, metrics_at, percent, places_of


class Entry(NamedTuple):
    """A cell of a table."""

    text: str
    best: bool = False


class Row(NamedTuple):
    """A row of a table."""

    name: str
    entries: Sequence[Entry]
    note: str = ""
    oracle: bool = False  # whether its setting was chosen on the sections that are reported


class Table(NamedTuple):
    """A table with a caption; the first column names the rows."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Row]
    subhead: Sequence[str] = ()  # under each name of the head but the first
    note: str = ""


def by_machine(caption: str, rows: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    """Returns a row for each method and a column for each machine type, the best values marked.

    Args:
      caption: of the table.
      rows: method -> machine type (or All-hmean) -> one value for each seed, fractions of 1.
    """
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    marked = [
        _marked({name: row.get(column, []) for name, row in rows.items()}) for column in columns
    ]
    lines = [
        Row(name, list(cells), oracle=name.endswith(ORACLE_SUFFIX))
        for name, cells in zip(rows, zip(*marked))
    ]
    return Table(caption, ["Method", *columns], lines)


def by_place(
    caption: str, rows: Mapping[str, Sequence[Sequence[SectionMetrics]]], notes: Mapping[int, str]
) -> Table:
    """Returns a row for each section and domain, with AUC and pAUC of each method, the best marked.

    Args:
      caption: of the table.
      rows: method and setting -> for each seed the metrics by section and domain.
      notes: section -> what it is for.
    """
    lines = []
    for section, domain in places_of(rows.values()):
        metrics = {name: metrics_at(seeds, (section, domain)) for name, seeds in rows.items()}
        auc = _marked({name: [m.auc for m in found] for name, found in metrics.items()})
        pauc = _marked({name: [m.pauc for m in found] for name, found in metrics.items()})
        name = f"{section:02d} {'pooled' if domain == POOLED else domain}"
        cells = [cell for pair in zip(auc, pauc) for cell in pair]
        lines.append(Row(name, cells, notes.get(section, "")))
    return Table(caption, ["Section, domain", *rows], lines, subhead=("AUC", "pAUC"))


def _marked(figures: Mapping[str, Sequence[float]]) -> list[Entry]:
    """Returns the cells of one figure, a method each; oracles aren't compared."""
    compared = {n: f for n, f in figures.items() if not n.endswith(ORACLE_SUFFIX)}
    marks = dict(zip(compared, best(list(compared.values()))))
    return [Entry(percent(figure), marks.get(n, False)) for n, figure in figures.items()]
