"""Times smoothing beside other k-nearest-neighbour engines, in interleaved rounds.

    GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python experiments/bench/smoothing.py --out bench

Runs on the device that JAX finds; sizes and baselines suit it unless they are given. Needs the
extras `bench` and `viz`. Makes the smoothing tables of experiments/bench/README.md: prints a row
for each N, K and engine, how each engine's time depends on K, and writes <out>.csv and <out>.png.
With its defaults it takes about ten minutes on two CPU cores.

Every engine takes host arrays and returns host arrays, computes in float32 without TF32, and uses
blocks that fit the device. The floor is the faster of XLA's and PyTorch's products. The huge pages
serve all engines on a CPU, since XLA allocates its buffers anew in each call. An engine marked
approximate is measured with its recall and never counts as the fastest baseline.

Above --full items smoothing all of them would take too long: each engine then smooths the same
--queries new items over all N. Where a baseline's value differs from ours, ours is judged by the
rule of exactness in float64, at most 50 rows a case (the column inexact_rows).
"""

import argparse
import functools
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch shares the GPU

import jax
import numpy as np
from exactness import count_inexact_rows
from knn_baselines import (
    APPROXIMATE,
    BASELINES,
    CPU_ONLY,
    approx_max_k_recall,
    smooth_with,
    torch_grid,
)
from machine import cpu_name, host_peak_mib, jax_device, jax_peak_mib, torch_device, torch_peak_mib
from products import PRODUCTS
from rounds import Engine, measure
from smoothing_table import dependence_on_k, format_row, make_rows, plot, write_csv

from jax_dns import smooth, smooth_grid, smooth_queries

GRID = tuple(2**i for i in range(12))  # the paper's Ks
RECALL_QUERIES = 64


class Problem(NamedTuple):
    """Items to smooth, or new items to smooth over them."""

    scores: np.ndarray  # float32 [n]
    features: np.ndarray  # float32 [n, d]
    queries: tuple[np.ndarray, np.ndarray] | None  # scores [m] and features [m, d]

    @property
    def query_features(self) -> np.ndarray:
        """Returns the features that are looked up, [m, d]."""
        return self.features if self.queries is None else self.queries[1]


def clustered(n: int, d: int, clusters: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draws scores [n] and features [n, d] in clusters, float32, no two rows equal.

    Args:
      n: items.
      d: feature size.
      clusters: number of clusters; their centres do not depend on the seed.
      seed: of the items.
    """
    centres = np.random.default_rng(0).normal(size=(clusters, d))
    rng = np.random.default_rng([1, seed])
    features = centres[rng.integers(0, clusters, n)] + 0.7 * rng.normal(size=(n, d))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


def make_problem(n: int, d: int, clusters: int, n_queries: int | None) -> Problem:
    """Draws n items, and `n_queries` new ones unless it is None."""
    queries = None if n_queries is None else clustered(n_queries, d, clusters, seed=1)
    return Problem(*clustered(n, d, clusters), queries)


def make_engines(problem: Problem, k: int, baselines: list[str]) -> list[Engine]:
    """Returns the products, our engine and the baselines for one K."""
    scores, features, queries = problem

    def ours() -> np.ndarray:
        if queries is None:
            return smooth(scores, features, k)
        return smooth_queries(*queries, scores, features, k)

    engines = make_products(problem)
    engines.append(Engine("jax_dns", "ours", jax_device(), ours))
    for name in baselines:
        baseline, device = BASELINES[name]
        role = "approximate" if name in APPROXIMATE else "baseline"
        call = functools.partial(smooth_with, baseline, scores, features, k, queries)
        engines.append(Engine(name, role, device_or_cpu(device), call))
    return engines


def make_grid_engines(problem: Problem, baselines: bool) -> list[Engine]:
    """Returns the engines for the paper's twelve Ks at once, and single calls beside them."""
    scores, features, _ = problem
    device = jax_device()
    engines = [
        *make_products(problem),
        Engine("jax_dns grid", "ours", device, lambda: smooth_grid(scores, features, GRID)),
        Engine(
            "12 single calls",
            "ours",
            device,
            lambda: np.stack([smooth(scores, features, k) for k in GRID]),
        ),
        Engine("largest K alone", "ours", device, lambda: smooth(scores, features, GRID[-1])),
    ]
    if baselines:
        call = functools.partial(torch_grid, scores, features, GRID)
        engines.append(Engine("torch grid", "baseline", device_or_cpu(torch_device), call))
    return engines


def make_products(problem: Problem) -> list[Engine]:
    """Returns the floors: XLA's and PyTorch's product of queries and features."""
    return [
        Engine(
            name,
            "product",
            device_or_cpu(device),
            functools.partial(product, problem.query_features, problem.features),
        )
        for name, (product, device) in PRODUCTS.items()
    ]


def device_or_cpu(device: Callable[[], str]) -> str:
    """Returns a device's name; the CPU's where the engine's library is not installed."""
    try:
        return device()
    except ImportError:
        return cpu_name()


def peak_memory(name: str, n: int, d: int, k: int, n_queries: int | None) -> tuple:
    """Returns the MiB that a fresh process running one engine holds at most.

    Returns:
      On the host, the libraries included, and on the device; None for a CPU.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (name, n, d, k, n_queries))


def _peak_memory(name: str, n: int, d: int, k: int, n_queries: int | None) -> tuple:
    problem = make_problem(n, d, 20, n_queries)
    engines = make_engines(problem, k, [name] if name in BASELINES else [])
    next(engine for engine in engines if engine.name == name).call()
    device_peak = torch_peak_mib() if name.startswith("torch") else jax_peak_mib()
    return host_peak_mib(), device_peak


def measure_size(n: int, options: argparse.Namespace) -> list[dict]:
    """Measures every K, and the grid, on N items; prints and returns the rows."""
    n_queries = options.queries if n > options.full else None
    problem = make_problem(n, options.d, options.clusters, n_queries)
    size = {"n": n, "queries": len(problem.query_features), "d": options.d}
    limits = {"rounds": options.rounds, "limit": options.limit}
    rows = []
    for k in (k for k in options.k if k <= n):
        engines = make_engines(problem, k, options.baselines)
        measurements = measure(engines, **limits)
        ours = next(m.result for e, m in zip(engines, measurements) if e.role == "ours")

        def count_inexact(some: np.ndarray, ours=ours, k=k) -> int:
            return count_inexact_rows(some, ours, *problem[:2], k, problem.queries)

        new = make_rows(engines, measurements, size | {"k": k}, count_inexact)
        for row, measurement in zip(new, measurements):
            if row["role"] == "approximate" and measurement.result is not None:
                queries = problem.query_features[:RECALL_QUERIES]
                row["recall"] = approx_max_k_recall(queries, problem.features, k)
            if options.memory and not row["note"]:
                peaks = peak_memory(row["engine"], n, options.d, k, n_queries)
                row["host_peak_mib"], row["device_peak_mib"] = peaks
            print(format_row(row), flush=True)
        rows += new
    if options.grid and n >= max(GRID) and n_queries is None:
        engines = make_grid_engines(problem, baselines=bool(options.baselines))
        measurements = measure(engines, **limits)
        grid = next(m.result for e, m in zip(engines, measurements) if e.role == "ours")

        def count_inexact_grid(some: np.ndarray) -> int:
            return sum(
                count_inexact_rows(some, smoothed, *problem[:2], k)
                for smoothed, k in zip(grid, GRID)
            )

        new = make_rows(engines, measurements, size | {"k": "grid"}, count_inexact_grid)
        print(*map(format_row, new), sep="\n", flush=True)
        rows += new
    return rows


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line; defaults depend on the device."""
    on_cpu = jax.default_backend() == "cpu"
    sizes, full = ([1_000, 8_400], 20_000) if on_cpu else ([8_400, 100_000], 1_000_000)
    baselines = [name for name in BASELINES if on_cpu or name not in CPU_ONLY]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--n", type=int, nargs="+", default=sizes, help=f"numbers of items (default: {sizes})")
    add("--k", type=int, nargs="+", default=[16, 64, 128, 256, 512, 1_024, 2_048], help="Ks")
    add("--d", type=int, default=128, help="feature size (default: 128)")
    add("--rounds", type=int, default=5, help="timed calls of each engine (default: 5)")
    add("--limit", type=float, default=60, help="s; slower baselines are left out (default: 60)")
    add("--baselines", nargs="*", default=baselines, choices=list(BASELINES))
    add("--grid", action="store_true", help="also the paper's twelve Ks at once")
    add("--full", type=int, default=full, help=f"all items are smoothed up to here ({full:,})")
    add("--queries", type=int, default=6_144, help="new items above --full (default: 6,144)")
    add("--clusters", type=int, default=20, help="of the features; 1: none (default: 20)")
    add("--memory", action="store_true", help="also peak memory, in a process for each engine")
    add("--out", type=Path, default=Path("bench_smoothing"), help="prefix of the CSV and the PNG")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measures all sizes and writes the table and the plot."""
    options = parse(arguments)
    print(f"jax {jax.__version__} on {jax_device()}; float32 products, TF32 off in every engine")
    rows = [row for n in options.n for row in measure_size(n, options)]
    print("\nDependence on K:", *dependence_on_k(rows), sep="\n")
    write_csv(rows, options.out.with_suffix(".csv"))
    try:
        plot(rows, options.out.with_suffix(".png"))
    except ImportError:
        print("No plot: matplotlib is not installed (pip install 'jax-dns[viz]').")


if __name__ == "__main__":
    main()
