"""Times what a user waits for on a CPU with nothing compiled: first calls and the command line.

    python experiments/bench/first_calls.py --scores DIR --features FILE

Needs a machine whose cores are otherwise idle, and PyTorch (extra `bench`) for one of the products.
Every case runs in a process of its own with an empty cache of compiled programs. Prints a row for
each: what it takes, and the limit it is held to. DIR and FILE are what `jax-dns smooth` reads; its
rows are left out without them.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

LIMITS = {
    "smooth, 2,800 items, K = 128, first call": (0.7, "s"),
    "then 2,801 items": (0.05, "s"),
    "then K = 130": (0.05, "s"),
    "smooth_queries, 7 new, history 20,000 + 7 i, 50 calls": (2, "compilations"),
    "the slowest of these calls": (None, "s"),
    "jax-dns smooth, K = 16": (3, "s"),
    "jax-dns smooth, K = auto": (5, "s"),
    "smooth, 8,400 items, K = 128, to the fastest product": (2.2, "times"),
    "smooth, 8,400 items, K = 2,048, to the fastest product": (2.2, "times"),
}


def problem(n: int, d: int = 128, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draws scores [n] and features [n, d] in 20 clusters."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(20, d))
    features = centres[rng.integers(0, 20, n)] + 0.7 * rng.normal(size=(n, d))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


def seconds(call: Callable[[], object]) -> float:
    """Times one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def first_calls() -> list[float]:
    """Times `smooth` of 2,800 items, then of 2,801, then with another K."""
    from jax_dns import smooth

    cases = [(*problem(n), k) for n, k in ((2_800, 128), (2_801, 128), (2_801, 130))]
    return [seconds(lambda case=case: smooth(*case)) for case in cases]


def growing_history(calls: int = 50) -> list[float]:
    """Counts compilations of calls of `smooth_queries`, and times the slowest."""
    import jax

    from jax_dns import smooth_queries

    compiled = []

    def count(event: str, duration: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(duration)

    jax.monitoring.register_event_duration_secs_listener(count)
    scores, features = problem(20_000 + 7 * calls)
    new = problem(7, seed=1)
    times = [
        seconds(lambda n=n: smooth_queries(*new, scores[:n], features[:n], 128))
        for n in range(20_000, 20_000 + 7 * calls, 7)
    ]
    return [len(compiled), max(times)]


def ratios(rounds: int) -> list[float]:
    """Compares `smooth` of 8,400 items with the fastest of three products, interleaved."""
    from products import torch_product, xla_product

    from jax_dns import smooth

    scores, features = problem(8_400)

    def numpy_product() -> None:
        for first in range(0, len(features), 512):
            np.matmul(features[first : first + 512], features.T, out=out[: len(features) - first])

    out = np.empty((512, len(features)), np.float32)
    products = {
        "NumPy": numpy_product,
        "XLA": lambda: xla_product(features, features),
        "PyTorch": lambda: torch_product(features, features),
    }
    ks = 128, 2_048
    calls = products | {k: (lambda k=k: smooth(scores, features, k)) for k in ks}
    for name in list(calls):
        try:
            calls[name]()
        except ImportError:
            del calls[name]
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    medians = {name: statistics.median(x) for name, x in times.items()}
    shown = ", ".join(f"{name} {medians[name]:.3f} s" for name in calls)
    print(f"# medians of {rounds}: {shown}", file=sys.stderr)
    floor = min(medians[name] for name in calls if name in products)
    return [medians[k] / floor for k in ks]


def command_lines(scores: Path, features: Path) -> list[float]:
    """Times `jax-dns smooth` from the start of the process to written files."""
    times = []
    for k in ("16", "auto"):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "jax_dns", "smooth", "--k", k]
            command += ["--scores", str(scores), "--features", str(features)]
            command += ["--out", str(Path(folder) / "out")]
            environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "cache")}
            run = lambda: subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: B023, E731
            times.append(seconds(run))
    return times


def in_new_process(case: str, *arguments: str) -> list[float]:
    """Runs a case of this file in a process of its own with nothing compiled."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, __file__, "--case", case, *arguments]
        out = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    return [float(x) for x in out.split()]


def main(arguments: list[str] | None = None) -> None:
    """Runs all cases and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--scores", type=Path, help="folder of official score files")
    add("--features", type=Path, help=".npz of names and features")
    add("--rounds", type=int, default=7, help="of the products (default: 7)")
    add("--case", choices=("first_calls", "growing_history", "ratios"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.case:
        case = {
            "first_calls": first_calls,
            "growing_history": growing_history,
            "ratios": lambda: ratios(options.rounds),
        }
        print(*case[options.case]())
        return
    from machine import cpu_name

    print(cpu_name())
    values = in_new_process("first_calls") + in_new_process("growing_history")
    if options.scores and options.features:
        values += command_lines(options.scores, options.features)
    else:
        values += [float("nan")] * 2
    values += in_new_process("ratios", "--rounds", str(options.rounds))
    for (name, (limit, unit)), value in zip(LIMITS.items(), values, strict=True):
        asked = "" if limit is None else f"  (at most {limit:g})"
        print(f"{name:58s} {value:8.3f} {unit}{asked}")


if __name__ == "__main__":
    main()
