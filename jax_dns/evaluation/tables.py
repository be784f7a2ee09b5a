"""Tables as text: Table II's shape, and the details by section and domain."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from jax_dns.evaluation.metrics import POOLED, SectionMetrics, harmonic_mean

ALL = "All-hmean"


def with_all_hmean(row: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Adds All-hmean, the harmonic mean of the machines' harmonic means, for each seed.

    Args:
      row: machine type -> one value a seed.
    """
    seeds = zip(*row.values())
    return {m: list(values) for m, values in row.items()} | {ALL: [*map(harmonic_mean, seeds)]}


def table_two(rows: Mapping[str, Mapping[str, Sequence[float]]], title: str) -> str:
    """Method by machine type, in percent; mean and deviation over seeds where there are several.

    Args:
      rows: method -> machine type -> one value a seed, fractions of 1.
      title: the first line.

    Returns:
      Aligned text. A method that some machine type lacks has no All-hmean.
    """
    machines = list(dict.fromkeys(machine for row in rows.values() for machine in row))
    lines = [["Method", *machines, ALL]]
    for method, values in rows.items():
        row = with_all_hmean(values)
        if len(values) < len(machines):
            del row[ALL]
        lines.append([method, *(percent(row.get(m, [])) for m in (*machines, ALL))])
    return f"{title}\n{aligned(lines)}"


def details(rows: Mapping[str, Sequence[Sequence[SectionMetrics]]], title: str) -> str:
    """AUC / pAUC in percent by section and domain.

    Args:
      rows: name of a method and setting -> the cells of each seed.
      title: the first line.

    Returns:
      Aligned text, one line a method, one column a section and domain.
    """
    places = sorted(
        {(c.section, c.domain) for seeds in rows.values() for found in seeds for c in found},
        key=lambda place: (place[0], ("source", "target", POOLED).index(place[1])),
    )
    lines = [["AUC/pAUC", *(f"{section:02d} {domain}" for section, domain in places)]]
    for name, seeds in rows.items():
        line = [name]
        for place in places:
            here = [c for found in seeds for c in found if (c.section, c.domain) == place]
            line.append(
                f"{percent([c.auc for c in here])}/{percent([c.pauc for c in here])}"
                if here
                else "-"
            )
        lines.append(line)
    return f"{title}\n{aligned(lines)}"


def percent(values: Iterable[float]) -> str:
    """One value as 71.84, several as 71.84±1.20 (sample standard deviation), none as -."""
    values = [100 * value for value in values if not math.isnan(value)]
    if not values:
        return "-"
    deviation = f"±{np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{deviation}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of one width, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(x.rjust(w) for x, w in zip(line[1:], widths[1:]))])
        for line in lines
    )


def to_csv(rows: Iterable[Sequence]) -> str:
    """Rows as CSV text."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
