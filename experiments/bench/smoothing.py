"""Smoothing's time against the k-NN engines of today, interleaved in one process.

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python experiments/bench/smoothing.py --out bench

Writes <out>.csv (a row for each N, K and engine) and <out>.png (time against K for each N, the
product alone drawn in as the floor). Every engine gets host arrays and returns host arrays. The
huge pages serve all of them: XLA:CPU allocates its buffers anew in each call.

Beyond --full items a run of all would take too long: each engine then smooths the same --queries
new items against all N, and the table says so. Rows whose value differs from ours are judged by
the rule of exactness, in float64: `illegal` counts those of ours that break it, of at most 50.
"""

import argparse
import csv
import functools
import multiprocessing
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from exactness import illegal
from knn_baselines import RIVALS, product, smoothed, torch_grid

GRID = tuple(2**i for i in range(12))
COLUMNS = (
    "n",
    "queries",
    "d",
    "k",
    "engine",
    "rounds",
    "seconds",
    "best",
    "first",
    "to_product",
    "to_fastest_rival",
    "tflops",
    "peak_mib",
    "differing_rows",
    "illegal",
    "note",
)
OURS = {"product", "jax_dns", "grid", "12 single calls", "largest K alone"}
JUDGED = 50


def clustered(
    n: int, d: int, clusters: int = 20, rows_seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Scores [n] and features [n, d] in clusters, float32, no two rows equal."""
    centres = np.random.default_rng(0).normal(size=(clusters, d))
    rng = np.random.default_rng([1, rows_seed])
    features = centres[rng.integers(0, clusters, n)] + 0.7 * rng.normal(size=(n, d))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


def engines(
    scores: np.ndarray, features: np.ndarray, k: int, names: list[str], new=None
) -> dict[str, Callable[[], np.ndarray]]:
    """Calls by name: the floor, this project, the rivals asked for; of new items where given."""
    from jax_dns import smooth, smooth_queries

    calls = {
        "product": lambda: product(features if new is None else new[1], features),
        "jax_dns": lambda: (
            smooth(scores, features, k)
            if new is None
            else smooth_queries(*new, scores, features, k)
        ),
    }
    return calls | {
        name: lambda f=RIVALS[name]: smoothed(f, scores, features, k, new) for name in names
    }


def grid_engines(
    scores: np.ndarray, features: np.ndarray, rivals: bool
) -> dict[str, Callable[[], np.ndarray]]:
    """Calls for twelve K at once, and for what they are compared with."""
    from jax_dns import smooth, smooth_grid

    calls = {
        "product": lambda: product(features, features),
        "grid": lambda: smooth_grid(scores, features, GRID),
        "12 single calls": lambda: np.stack([smooth(scores, features, k) for k in GRID]),
        "largest K alone": lambda: smooth(scores, features, GRID[-1]),
    }
    return calls | ({"torch grid": lambda: torch_grid(scores, features, GRID)} if rivals else {})


def timed(
    calls: dict[str, Callable], rounds: int, limit: float
) -> tuple[dict[str, list[float]], dict[str, float], dict[str, np.ndarray], dict[str, str]]:
    """Interleaved times, after one call each to compile; slow ones are left out and named.

    Returns:
      Seconds, the first call's seconds, results and notes, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    first, results, notes = {}, {}, {}
    for name, call in calls.items():
        begin = time.perf_counter()
        try:
            results[name] = call()
        except (ImportError, RuntimeError, MemoryError) as error:
            notes[name] = f"failed: {type(error).__name__}"
        first[name] = time.perf_counter() - begin
        if first[name] > limit and name not in OURS:
            notes[name] = f"skipped: one call took {first[name]:.1f} s, the limit is {limit:g} s"
    for _ in range(rounds):
        for name, call in calls.items():
            if name in notes:
                continue
            begin = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - begin)
    return times, first, results, notes


def rows_of(n: int, d: int, k: int | str, measured, ours: str, judge=None, new=None) -> list[dict]:
    """Table rows: medians, ratios, FLOP/s of the product, rows that differ from ours.

    `judge(rows)` counts illegal values among those rows of ours.
    """
    times, first, results, notes = measured
    medians = {name: float(np.median(t)) for name, t in times.items() if t}
    fastest = min((t for name, t in medians.items() if name not in OURS), default=float("nan"))
    queries = n if new is None else len(new[0])
    rows = []
    for name in times:
        differing, broken, seconds = "", "", medians.get(name, float("nan"))
        if name in results and results[name].shape == results[ours].shape and name != "product":
            off = ~np.isclose(results[name], results[ours], rtol=1e-4, atol=1e-5)
            off = np.flatnonzero(off.any(0) if off.ndim == 2 else off)
            differing = len(off)
            broken = judge(off[:JUDGED]) if judge and differing else ""
        rows.append(
            {
                "n": n,
                "queries": queries,
                "d": d,
                "k": k,
                "engine": name,
                "rounds": len(times[name]),
                "seconds": round(seconds, 5),
                "best": round(min(times[name], default=seconds), 5),
                "first": round(first[name], 3),
                "to_product": round(seconds / medians["product"], 3),
                "to_fastest_rival": round(seconds / fastest, 3),
                "tflops": round(2 * queries * n * d / seconds / 1e12, 3),
                "differing_rows": differing,
                "illegal": broken,
                "note": notes.get(name, "" if new is None else f"{queries} new items against all"),
            }
        )
        row = rows[-1]
        print(
            f"N={n:<8} K={k!s:<6} {name:16s} {seconds:9.3f} s  {row['to_product']:7.2f} x product  "
            f"{row['to_fastest_rival']:7.2f} x fastest rival  {row['tflops']:7.3f} TFLOP/s  first "
            f"{row['first']:6.2f} s  differing {differing!s:>5}  illegal {broken!s:>3}  "
            f"{row['note']}",
            flush=True,
        )
    return rows


def _judge(got, scores, features, k, new, rows) -> int:
    return illegal(rows, got, scores, features, k, new)


def _judge_grid(got, scores, features, rows) -> int:
    return sum(_judge(of, scores, features, k, None, rows) for of, k in zip(got, GRID))


def peak_memory(name: str, n: int, d: int, k: int, queries: int | None) -> float:
    """MiB that a fresh process holds at most while one engine runs, the libraries included."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak, (name, n, d, k, queries))


def _peak(name: str, n: int, d: int, k: int, queries: int | None) -> float:
    scores, features = clustered(n, d)
    new = clustered(queries, d, rows_seed=1) if queries else None
    engines(scores, features, k, [] if name in OURS else [name], new)[name]()
    # Not ru_maxrss, which a child inherits from its parent: all engines would show one number.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def plot(rows: list[dict], path: Path) -> None:
    """Time against K on logarithmic axes, one panel an N, the floor as a broken line."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [row for row in rows if row["k"] != "grid" and row["rounds"]]
    sizes = sorted({row["n"] for row in rows})
    if not sizes:
        return
    figure, axes = plt.subplots(1, len(sizes), figsize=(4.5 * len(sizes), 4), squeeze=False)
    for axis, n in zip(axes[0], sizes):
        for name in dict.fromkeys(row["engine"] for row in rows):
            line = [(r["k"], r["seconds"]) for r in rows if r["n"] == n and r["engine"] == name]
            style = {"ls": "--", "color": "black"} if name == "product" else {"marker": "o"}
            if line:
                axis.loglog(
                    *zip(*line), label="product (floor)" if style.get("ls") else name, **style
                )
        axis.set(title=f"N = {n:,}", xlabel="K", ylabel="seconds")
    axes[0][-1].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, nargs="+", default=[1_000, 8_400])
    parser.add_argument("--k", type=int, nargs="+", default=[16, 64, 128, 256, 512, 1_024, 2_048])
    parser.add_argument("--d", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60, help="seconds of one call of a rival")
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS), choices=list(RIVALS))
    parser.add_argument("--grid", action="store_true", help="also twelve K at once")
    parser.add_argument("--full", type=int, default=20_000, help="items that are all smoothed")
    parser.add_argument("--queries", type=int, default=6_144, help="new items beyond that")
    parser.add_argument("--clusters", type=int, default=20, help="1: no structure to make use of")
    parser.add_argument("--memory", action="store_true", help="also peak memory, in new processes")
    parser.add_argument("--out", type=Path, default=Path("bench_smoothing"))
    options = parser.parse_args()
    import jax

    print(
        f"{platform.processor() or platform.machine()}, jax {jax.__version__} on "
        f"{jax.devices()[0].device_kind}"
    )
    rows = []
    for n in options.n:
        scores, features = clustered(n, options.d, options.clusters)
        queries = options.queries if n > options.full else None
        new = clustered(queries, options.d, options.clusters, 1) if queries else None
        for k in (k for k in options.k if k <= n):
            calls = engines(scores, features, k, options.rivals, new)
            measured = timed(calls, options.rounds, options.limit)
            judge = functools.partial(_judge, measured[2]["jax_dns"], scores, features, k, new)
            rows += rows_of(n, options.d, k, measured, "jax_dns", judge, new)
            for row in rows[-len(calls) :] if options.memory else ():
                row["peak_mib"] = round(peak_memory(row["engine"], n, options.d, k, queries))
                print(f"    {row['engine']:16s} {row['peak_mib']:8d} MiB at most", flush=True)
        if options.grid and n >= max(GRID) and not queries:
            calls = grid_engines(scores, features, rivals=bool(options.rivals))
            measured = timed(calls, options.rounds, options.limit)
            judge = functools.partial(_judge_grid, measured[2]["grid"], scores, features)
            rows += rows_of(n, options.d, "grid", measured, "grid", judge)
    with options.out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    plot(rows, options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
