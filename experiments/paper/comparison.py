"""Results beside the paper's Tables I and II, as tables of text and as rows of a CSV file."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from paper import published

from jax_dns.evaluation.bootstrap import interval
from jax_dns.evaluation.tables import ALL, Table, percent

MINUS = "−"


class Entry(NamedTuple):
    """One figure of Table II: a method for a machine type."""

    values: list[float]  # one a seed, fractions of 1
    draws: Float[np.ndarray, "s b"]  # the same for each resample of the clips; b may be 0

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.values))

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % percentile interval of the mean over seeds; None without resamples."""
        return interval(self.draws.mean(0)) if self.draws.size else None


Entries = Mapping[str, Mapping[str, Entry]]  # method -> column -> figure


def differences(entries: Entries) -> dict[str, dict[str, Entry]]:
    """Proposed − AE and Proposed − SerialOE, paired by seed and resample."""
    out = {}
    for other in ("AE", "SerialOE"):
        pairs = {
            column: (mine, entries[other][column])
            for column, mine in entries.get("Proposed", {}).items()
            if column in entries.get(other, {})
        }
        if pairs:
            out[f"Proposed {MINUS} {other}"] = {
                column: Entry(
                    [a - b for a, b in zip(mine.values, its.values)], mine.draws - its.draws
                )
                for column, (mine, its) in pairs.items()
            }
    return out


def table_one(
    settings: Mapping[str, Sequence[str]], columns: Sequence[str], *, caption: str, beside: bool
) -> Table:
    """Table I: a row a machine type, for each method the settings selected here and the paper's.

    Args:
      settings: method -> the setting of each column, such as "K=8 source".
      columns: machine types, and perhaps "ToyCar-5".
      caption: of the table.
      beside: whether the paper's settings are shown.
    """
    head, rows = ["Machine type"], [[column] for column in columns]
    for method, here in settings.items():
        head += [method, "paper"] if beside else [method]
        for row, column, text in zip(rows, columns, here):
            theirs = published.setting(method, column)
            row += [text, setting_text(method, theirs)] if beside else [text]
    return Table(head, rows, caption)


def setting_text(method: str, setting: published.Setting | None) -> str:
    """As `MethodResult.setting` shows it; - for none."""
    if setting is None:
        return "-"
    return f"{'GMM ' if method == 'SerialOE' else 'K='}{setting.size} {setting.data}"


def table_two(
    entries: Entries, columns: Sequence[str], *, caption: str, beside: bool, signed: bool = False
) -> Table:
    """Table II: for each method the figures here, their intervals, the paper's, the difference.

    Args:
      entries: method -> column -> figure.
      columns: machine types, All-hmean and perhaps ToyCar-5, in order.
      caption: of the table.
      beside: whether the paper's figures are shown, where it has any.
      signed: whether the figures are differences.
    """
    machines = machines_of(columns)
    rows = []
    for method, found in entries.items():
        theirs = [published.result(method, c, machines) if beside else None for c in columns]
        here = [found.get(column) for column in columns]
        rows.append([method, "here", *(figure(entry, signed) for entry in here)])
        if any(entry and entry.interval for entry in here):
            rows.append(["", "95 %", *(interval_text(entry, signed) for entry in here)])
        if any(value is not None for value in theirs):
            rows.append(["", "paper", *(percent([] if v is None else [v]) for v in theirs)])
            gaps = [e.mean - v if e and v is not None else None for e, v in zip(here, theirs)]
            rows.append(["", "difference", *(points(gap) for gap in gaps)])
    return Table(["Method", "", *columns], rows, caption)


def table_readings(
    by_name: Mapping[str, Entries], columns: Sequence[str], *, caption: str, beside: bool
) -> Table:
    """A row for each reading of the paper and method, and the paper's at the end.

    Args:
      by_name: reading -> method -> column -> figure.
      columns: see `table_two`.
      caption: of the table.
      beside: whether the paper's figures are shown.
    """
    rows, shown = [], set()
    for name, found in by_name.items():
        for number, (method, row) in enumerate(found.items()):
            rows.append(
                [name if number == 0 else "", method, *(figure(row.get(c)) for c in columns)]
            )
            shown.add(method)
    machines = machines_of(columns)
    for number, method in enumerate(in_order(shown) if beside else ()):
        theirs = [published.result(method, column, machines) for column in columns]
        texts = [percent([] if value is None else [value]) for value in theirs]
        rows.append(["the paper's" if number == 0 else "", method, *texts])
    return Table(["Reading", "Method", *columns], rows, caption)


def machines_of(columns: Iterable[str]) -> list[str]:
    """The columns that are machine types."""
    return [column for column in columns if column not in (ALL, published.TOYCAR_5)]


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods in the order of Table II."""
    return [method for method in published.TABLE_TWO if method in set(methods)]


def figure(entry: Entry | None, signed: bool = False) -> str:
    """Percent, mean ± deviation over seeds; with a sign where it is a difference."""
    if entry is None:
        return "-"
    text = percent(entry.values)
    return _sign(text) if signed else text


def points(value: float | None) -> str:
    """A difference in percentage points, with its sign."""
    return "-" if value is None else _sign(f"{100 * value:.2f}")


def interval_text(entry: Entry | None, signed: bool = False) -> str:
    """[low, high] in percent."""
    if entry is None or entry.interval is None:
        return "-"
    low, high = (f"{100 * value:.2f}" for value in entry.interval)
    return f"[{_sign(low)}, {_sign(high)}]" if signed else f"[{low}, {high}]"


def _sign(text: str) -> str:
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
    beside: bool,
) -> list[list[str]]:
    """One row a figure, in percent; empty where there is nothing to say.

    Args:
      entries: method -> column -> figure.
      reading: of the domains.
      alternative: the reading of the method, "" for the run's own.
      settings: method -> column -> the settings selected.
      machines: those that All-hmean is over.
      beside: whether the paper's figures are given.
    """

    def number(value: float | None) -> str:
        return "" if value is None or math.isnan(value) else f"{100 * value:.4f}"

    rows = []
    for method, found in entries.items():
        for column, entry in found.items():
            low, high = entry.interval or (None, None)
            theirs = published.result(method, column, machines) if beside else None
            spread = float(np.std(entry.values, ddof=1)) if len(entry.values) > 1 else None
            rows.append(
                [
                    reading,
                    alternative,
                    method,
                    column,
                    str(len(entry.values)),
                    *map(number, (entry.mean, spread, low, high, theirs)),
                    number(None if theirs is None else entry.mean - theirs),
                    settings.get(method, {}).get(column, ""),
                ]
            )
    return rows
