"""Compares results with the paper's Tables I and II, as tables of text and rows of a CSV file."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from paper import published

from jax_dns.evaluation.bootstrap import interval
from jax_dns.evaluation.results import ORACLE_SUFFIX
from jax_dns.evaluation.tables import ALL, MISSING, Table, percent

MINUS = "−"


class Entry(NamedTuple):
    """One entry of Table II: a method's result for a machine type."""

    values: list[float]  # of each seed, fractions of 1
    resamples: Float[np.ndarray, "s b"]  # of each seed in each resample of the clips; b may be 0

    @property
    def mean(self) -> float:
        """Returns the mean over seeds."""
        return float(np.mean(self.values))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Returns the 95 % percentile interval of the mean over seeds; None without resamples."""
        return interval(self.resamples.mean(0)) if self.resamples.size else None


Entries = Mapping[str, Mapping[str, Entry]]  # method -> column -> entry


def differences(entries: Entries, method: str) -> dict[str, dict[str, Entry]]:
    """Subtracts every other method's entries from one method's, paired by seed and resample.

    Args:
      entries: of all methods; oracles are left out.
      method: the method to compare with the others.

    Returns:
      "<method> − <other>" -> column -> difference.
    """
    pairs = {}
    for other, row in entries.items():
        if other == method or other.endswith(ORACLE_SUFFIX):
            continue
        columns = {
            column: Entry(
                [a - b for a, b in zip(entry.values, row[column].values)],
                entry.resamples - row[column].resamples,
            )
            for column, entry in entries.get(method, {}).items()
            if column in row
        }
        if columns:
            pairs[f"{method} {MINUS} {other}"] = columns
    return pairs


def table_one(
    settings: Mapping[str, Sequence[str]],
    columns: Sequence[str],
    *,
    caption: str,
    show_paper: bool,
) -> Table:
    """Makes Table I: for each machine type the settings selected, beside the paper's.

    Args:
      settings: method -> the setting of each column, "K=8 source" for instance.
      columns: machine types, and perhaps "ToyCar-5".
      caption: of the table.
      show_paper: whether to show the paper's settings.
    """
    head, rows = ["Machine type"], [[column] for column in columns]
    for method, texts in settings.items():
        head += [method, "paper"] if show_paper else [method]
        for row, column, text in zip(rows, columns, texts):
            row.append(text)
            if show_paper:
                row.append(format_setting(method, published.setting(method, column)))
    return Table(head, rows, caption)


def format_setting(method: str, setting: published.Setting | None) -> str:
    """Formats the paper's setting as `MethodResult.setting` does; "-" for none."""
    if setting is None:
        return MISSING
    return f"{'GMM ' if method == 'SerialOE' else 'K='}{setting.value} {setting.data}"


def table_two(
    entries: Entries,
    columns: Sequence[str],
    *,
    caption: str,
    show_paper: bool,
    signed: bool = False,
) -> Table:
    """Makes Table II: each method's results, their intervals, the paper's, and the difference.

    Args:
      entries: method -> column -> entry.
      columns: machine types, All-hmean and perhaps ToyCar-5, in order.
      caption: of the table.
      show_paper: whether to show the paper's results, where it has any.
      signed: whether the entries are differences.
    """
    machines = machines_of(columns)
    rows = []
    for method, row in entries.items():
        paper = [published.result(method, c, machines) if show_paper else None for c in columns]
        ours = [row.get(column) for column in columns]
        rows.append([method, "here", *(format_entry(entry, signed) for entry in ours)])
        if any(entry and entry.interval for entry in ours):
            rows.append(["", "95 %", *(format_interval(entry, signed) for entry in ours)])
        if any(value is not None for value in paper):
            rows.append(["", "paper", *(percent([] if v is None else [v]) for v in paper)])
            gaps = [e.mean - v if e and v is not None else None for e, v in zip(ours, paper)]
            rows.append(["", "difference", *(format_points(gap) for gap in gaps)])
    return Table(["Method", "", *columns], rows, caption)


def table_readings(
    by_reading: Mapping[str, Entries], columns: Sequence[str], *, caption: str, show_paper: bool
) -> Table:
    """Makes a row for each reading of the paper and method, and the paper's own at the end.

    Args:
      by_reading: name of the reading -> method -> column -> entry.
      columns: see `table_two`.
      caption: of the table.
      show_paper: whether to show the paper's results.
    """
    rows, methods = [], set()
    for name, entries in by_reading.items():
        for number, (method, row) in enumerate(entries.items()):
            cells = [format_entry(row.get(column)) for column in columns]
            rows.append([name if number == 0 else "", method, *cells])
            methods.add(method)
    machines = machines_of(columns)
    printed = [method for method in published.TABLE_TWO if method in methods]
    for number, method in enumerate(printed if show_paper else ()):
        values = [published.result(method, column, machines) for column in columns]
        cells = [percent([] if value is None else [value]) for value in values]
        rows.append(["the paper's" if number == 0 else "", method, *cells])
    return Table(["Reading", "Method", *columns], rows, caption)


def machines_of(columns: Iterable[str]) -> list[str]:
    """Returns the columns that are machine types."""
    return [column for column in columns if column not in (ALL, published.TOYCAR_5)]


def order_methods(methods: Iterable[str]) -> list[str]:
    """Sorts methods in the order of Table II; those that the paper lacks come last."""
    order = list(published.TABLE_TWO)
    return sorted(methods, key=lambda m: order.index(m) if m in order else len(order))


def format_entry(entry: Entry | None, signed: bool = False) -> str:
    """Formats an entry in percent, mean ± deviation over seeds; differences with a sign."""
    if entry is None:
        return MISSING
    text = percent(entry.values)
    return _with_sign(text) if signed else text


def format_points(value: float | None) -> str:
    """Formats a difference in percentage points, with its sign."""
    return MISSING if value is None else _with_sign(f"{100 * value:.2f}")


def format_interval(entry: Entry | None, signed: bool = False) -> str:
    """Formats an interval as [low, high] in percent."""
    if entry is None or entry.interval is None:
        return MISSING
    low, high = (f"{100 * value:.2f}" for value in entry.interval)
    return f"[{_with_sign(low)}, {_with_sign(high)}]" if signed else f"[{low}, {high}]"


def _with_sign(text: str) -> str:
    if text.startswith("-"):
        return text.replace("-", MINUS, 1) if text.strip("-0.") else text[1:]
    return f"+{text}" if text.strip("0.") else text


CSV_HEAD = (
    "reading",
    "alternative",
    "method",
    "column",
    "seeds",
    "mean",
    "deviation",
    "low",
    "high",
    "paper",
    "difference",
    "settings",
)


def csv_rows(
    entries: Entries,
    *,
    reading: str,
    alternative: str,
    settings: Mapping[str, Mapping[str, str]],
    machines: Sequence[str],
    show_paper: bool,
) -> list[list[str]]:
    """Makes a row for each entry, in percent; cells without a value are empty.

    Args:
      entries: method -> column -> entry.
      reading: of the domains.
      alternative: the reading of the paper; "" for the run's own.
      settings: method -> column -> the settings selected.
      machines: the machine types that All-hmean is over.
      show_paper: whether to give the paper's results.
    """

    def number(value: float | None) -> str:
        return "" if value is None or math.isnan(value) else f"{100 * value:.4f}"

    rows = []
    for method, row in entries.items():
        for column, entry in row.items():
            low, high = entry.interval or (None, None)
            paper = published.result(method, column, machines) if show_paper else None
            deviation = float(np.std(entry.values, ddof=1)) if len(entry.values) > 1 else None
            rows.append(
                [
                    reading,
                    alternative,
                    method,
                    column,
                    str(len(entry.values)),
                    *map(number, (entry.mean, deviation, low, high, paper)),
                    number(None if paper is None else entry.mean - paper),
                    settings.get(method, {}).get(column, ""),
                ]
            )
    return rows
