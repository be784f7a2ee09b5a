"""Tables of percentages with the best value marked, for a page."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jax_dns.evaluation.metrics import POOLED, SectionMetrics
from jax_dns.evaluation.results import ORACLE_SUFFIX
from jax_dns.evaluation.tables import percent


class Entry(NamedTuple):
    """A field of a table."""

    text: str
    best: bool = False


class Row(NamedTuple):
    """A line of a table."""

    name: str
    entries: Sequence[Entry]
    note: str = ""
    oracle: bool = False


class Table(NamedTuple):
    """A table with a caption; the first column names the rows."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Row]
    subhead: Sequence[str] = ()  # under each name of the head but the first
    note: str = ""


def by_machine(caption: str, rows: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    """Table II: a row a method, a column a machine type, the best of each column marked.

    Args:
      caption: of the table.
      rows: method -> machine type (or All-hmean) -> one value a seed, fractions of 1.
    """
    machines = list(dict.fromkeys(machine for row in rows.values() for machine in row))
    texts = {name: [percent(row.get(m, [])) for m in machines] for name, row in rows.items()}
    competing = [not name.endswith(ORACLE_SUFFIX) for name in rows]
    columns = [_marked(column, competing) for column in zip(*texts.values())]
    lines = [
        Row(name, list(line), oracle=name.endswith(ORACLE_SUFFIX))
        for name, line in zip(rows, zip(*columns))
    ]
    return Table(caption, ["Method", *machines], lines)


def by_place(
    caption: str, rows: Mapping[str, Sequence[Sequence[SectionMetrics]]], notes: Mapping[int, str]
) -> Table:
    """A row a section and domain, AUC and pAUC of each method, the best of each row marked.

    Args:
      caption: of the table.
      rows: name of a method and setting -> the cells of each seed.
      notes: section -> what it is for.
    """
    places = sorted(
        {(c.section, c.domain) for seeds in rows.values() for found in seeds for c in found},
        key=lambda place: (place[0], ("source", "target", POOLED).index(place[1])),
    )
    competing = [not name.endswith(ORACLE_SUFFIX) for name in rows]
    lines = []
    for section, domain in places:
        here = [
            [c for found in seeds for c in found if (c.section, c.domain) == (section, domain)]
            for seeds in rows.values()
        ]
        pairs = zip(
            _marked([percent([c.auc for c in cells]) for cells in here], competing),
            _marked([percent([c.pauc for c in cells]) for cells in here], competing),
        )
        name = f"{section:02d} {'pooled' if domain == POOLED else domain}"
        lines.append(Row(name, [entry for pair in pairs for entry in pair], notes.get(section, "")))
    return Table(caption, ["Section, domain", *rows], lines, subhead=("AUC", "pAUC"))


def _marked(texts: Sequence[str], competing: Sequence[bool]) -> list[Entry]:
    """Marks the largest mean, as shown: values that read alike are alike."""
    values = [
        float(number[0]) if good and (number := re.match(r"[\d.]+", text)) else -1.0
        for text, good in zip(texts, competing)
    ]
    best = max(values, default=-1.0)
    alone = sum(competing) < 2  # nothing to be better than
    return [Entry(text, value == best >= 0 and not alone) for text, value in zip(texts, values)]
