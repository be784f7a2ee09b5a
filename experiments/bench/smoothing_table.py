"""The rows, the plot and the CSV of the smoothing benchmark."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rounds import Engine, Measurement

COLUMNS = (
    "n",
    "queries",
    "d",
    "k",
    "engine",
    "role",
    "device",
    "rounds",
    "seconds",
    "best",
    "first",
    "to_product",
    "to_fastest_baseline",
    "tflops",
    "recall",
    "host_peak_mib",
    "device_peak_mib",
    "differing_rows",
    "inexact_rows",
    "note",
)
JUDGED_ROWS = 50  # at most, of those that differ from a baseline's


def make_rows(
    engines: Sequence[Engine],
    measurements: Sequence[Measurement],
    problem: Mapping[str, Any],
    count_inexact: Callable[[np.ndarray], int],
) -> list[dict[str, Any]]:
    """Makes the table's rows for engines measured on one problem.

    Args:
      engines: the first of role "ours" is the one that others are compared with.
      measurements: one for each engine.
      problem: the columns n, queries, d and k.
      count_inexact: counts the inexact values among some rows of ours.

    Returns:
      A row for each engine: medians, their ratios to the fastest product and the fastest exact
      baseline, FLOP/s of the product that the search needs, and the rows that differ from ours.
    """
    medians = [float(np.median(m.seconds)) if m.seconds else float("nan") for m in measurements]

    def fastest(role: str) -> float:
        times = [t for e, t in zip(engines, medians) if e.role == role and not np.isnan(t)]
        return min(times, default=float("nan"))

    product, baseline = fastest("product"), fastest("baseline")
    ours = next(m.result for e, m in zip(engines, measurements) if e.role == "ours")
    rows = []
    for engine, measurement, seconds in zip(engines, measurements, medians):
        row = dict(problem) | {
            "engine": engine.name,
            "role": engine.role,
            "device": engine.device,
            "rounds": len(measurement.seconds),
            "seconds": seconds,
            "best": min(measurement.seconds, default=float("nan")),
            "first": measurement.first,
            "to_product": seconds / product,
            "to_fastest_baseline": seconds / baseline,
            "tflops": 2 * problem["queries"] * problem["n"] * problem["d"] / seconds / 1e12,
            "note": measurement.note,
        }
        if engine.role == "baseline" and measurement.result is not None:
            differ = ~np.isclose(measurement.result, ours, rtol=1e-4, atol=1e-5)
            differing = np.flatnonzero(differ.any(0) if differ.ndim == 2 else differ)
            row["differing_rows"] = len(differing)
            row["inexact_rows"] = count_inexact(differing[:JUDGED_ROWS])
        rows.append(row)
    return rows


def format_row(row: Mapping[str, Any]) -> str:
    """Returns a row as a line of text."""
    recall = f"  recall {row['recall']:.3f}" if "recall" in row else ""
    rows_text = ""
    if "differing_rows" in row:
        rows_text = f"  {row['differing_rows']} rows differ, {row['inexact_rows']} of ours inexact"
    peaks = [
        f"  {row[column]:.0f} MiB on the {place}"
        for column, place in (("host_peak_mib", "host"), ("device_peak_mib", "device"))
        if row.get(column) is not None
    ]
    return (
        f"N={row['n']:<8} K={row['k']!s:<5} {row['engine']:19s} {row['seconds']:9.4f} s "
        f"{row['to_product']:6.2f} x product {row['to_fastest_baseline']:6.2f} x fastest baseline "
        f"{row['tflops']:8.3f} TFLOP/s  first {row['first']:6.2f} s{recall}{rows_text}"
        f"{''.join(peaks)}  {row['note']}"
    ).rstrip()


def dependence_on_k(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a line for each N and engine: the fastest and the slowest time over the Ks."""
    times: dict[tuple[int, str], list[tuple[float, int]]] = {}
    for row in rows:
        if row["k"] != "grid" and row["rounds"] and row["role"] in ("ours", "baseline"):
            times.setdefault((row["n"], row["engine"]), []).append((row["seconds"], row["k"]))
    lines = []
    for (n, engine), pairs in times.items():
        if len(pairs) > 1:
            (low, k_low), (high, k_high) = min(pairs), max(pairs)
            lines.append(
                f"N={n:<8} {engine:19s} {low:.4f} s at K = {k_low:,} to {high:.4f} s at "
                f"K = {k_high:,}: a factor of {high / low:.2f}"
            )
    return lines


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes all rows, numbers to five digits."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})


def plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws time against K, a panel for each N, the products as broken lines."""
    from matplotlib.figure import Figure

    rows = [row for row in rows if row["k"] != "grid" and row["rounds"]]
    sizes = sorted({row["n"] for row in rows})
    figure = Figure(figsize=(1 + 4.5 * len(sizes), 4), layout="constrained")
    panels = figure.subplots(1, len(sizes), squeeze=False)[0] if sizes else ()
    for axes, n in zip(panels, sizes):
        of_size = [row for row in rows if row["n"] == n]
        for name in dict.fromkeys(row["engine"] for row in of_size):
            line = [(row["k"], row["seconds"]) for row in of_size if row["engine"] == name]
            style = {"linestyle": "--"} if name.endswith("product") else {"marker": "o"}
            axes.loglog(*zip(*line), label=name, **style)
        axes.set(title=f"N = {n:,}", xlabel="K", ylabel="seconds")
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)
