"""Checks and times smoothing, training and the demo on a GPU in one run that needs no network.

    PYTHONPATH=. python3 experiments/bench/gpu_check.py --out gpu_check
    PYTHONPATH=. python3 experiments/bench/gpu_check.py --steps small demo    # only these

Prints as it goes and writes <out>/gpu_check.csv. A step that fails or takes too long is reported,
and the next one runs. `--quick` takes tiny sizes, and without a GPU Pallas' interpreter.
"""

import argparse
import contextlib
import cProfile
import csv
import io
import itertools
import os
import pstats
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
from gpu_kernels import clock
from gpu_processes import run_training, time_demo
from torch_topk import has_torch, torch_smooth

GRID = tuple(2**i for i in range(12))
ROWS: list[dict] = []
START = time.perf_counter()


def say(*words) -> None:
    print(f"[{time.perf_counter() - START:6.1f}]", *words, flush=True)


def note(step: str, name: str, n: int, k: int | str, ms: float, **more) -> None:
    ROWS.append(dict(step=step, name=name, n=n, k=k, ms=round(ms, 4), **more))
    say(f"{step:10s} n={n:<9} k={k!s:<5} {name:40s} {ms:10.3f} ms ", more or "")


def clustered(n: int, d: int, *, clusters: int = 20, seed: int = 0) -> tuple:
    centres = np.random.default_rng(0).standard_normal((clusters, d), np.float32)
    rng = np.random.default_rng([1, seed])
    features = rng.standard_normal((n, d), np.float32)
    features *= np.float32(0.7)
    features += centres[rng.integers(0, clusters, n)]
    return rng.standard_normal(n, np.float32), features


# --- steps ---------------------------------------------------------------------------------------


def versions(options) -> None:
    import jax
    import jaxlib

    from jax_dns.smoothing.engine import gpu_blocks, gpu_plan

    device = jax.devices()[0]
    capability = getattr(device, "compute_capability", None)
    say(f"Python {sys.version.split()[0]}, jax {jax.__version__}, jaxlib {jaxlib.__version__}")
    say(f"{device.device_kind}, capability {capability}, backend {jax.default_backend()}")
    say("precision", gpu_blocks.product_precision())
    for n, k in itertools.product((8_400, 100_000, 1_000_000), (128, 1024, 2048)):
        say(n, k, gpu_plan.make_plan(n, n, k))
    with contextlib.suppress(ImportError):
        import torch

        say(f"torch {torch.__version__}, CUDA {torch.cuda.is_available()}")


def check_rows(name: str, rows, got, scores, features, k, queries=None) -> None:
    from exactness import count_inexact_rows

    wrong = count_inexact_rows(rows, got, scores, features, k, queries)
    say(f"{'WRONG' if wrong else 'exact'}: {name}, K = {k}: {wrong} of {len(rows)} rows not exact")


def exactness(options) -> None:
    from jax_dns import smooth, smooth_grid

    ks = (2, 5, 12) if options.quick else (16, 128, 1_000, 2_048)
    rng = np.random.default_rng(3)
    for n in (300, 700) if options.quick else (3_000, 20_000):
        scores, features = clustered(n, options.d)
        rows = rng.permutation(n)[:60]
        grid = smooth_grid(scores, features, ks)
        for k, row in zip(ks, grid):
            check_rows(f"{n} items, grid", rows, row, scores, features, k)
        single = smooth(scores, features, ks[2])
        say(f"{n} items: single to grid {np.abs(single - grid[2]).max():.1g}")
        groups, pool, k = rng.integers(0, 3, n), rng.random(n) < 0.8, ks[1]
        got = smooth(scores, features, k, groups=groups, pool=pool)
        of_one = groups == 1
        new = scores[of_one & ~pool][:60], features[of_one & ~pool][:60]
        part = got[of_one & ~pool][:60]
        items = scores[of_one & pool], features[of_one & pool]
        check_rows(f"{n} items, groups and pool", range(len(part)), part, *items, k, queries=new)
    features = np.repeat(np.eye(4, options.d, dtype=np.float32), n // 4, axis=0)
    begin = time.perf_counter()
    got = smooth(scores, features, ks[1])
    seconds = time.perf_counter() - begin
    rows = range(0, n, n // 20)
    check_rows(f"four distinct items, {seconds:.1f} s", rows, got, scores, features, ks[1])


def block(options) -> None:
    from gpu_kernels import time_block

    from jax_dns.smoothing.engine import gpu_plan

    for n, k in ((700, 12), (1_200, 12)) if options.quick else ((100_000, 1_024), (10**6, 1_024)):
        plan = gpu_plan.make_plan(n, n, k)
        time_block(
            plan,
            *clustered(n, options.d),
            k,
            clock=lambda *a: clock(*a, repeats=1 if options.quick else 5),
            note=lambda name, ms, n=n, k=k: note("block", name, n, k, ms),
            say=say,
        )


# --- whole smoothing, and its rivals -------------------------------------------------------------


def interleave(step, calls: dict, n: int, k, *, rounds: int, scale: dict) -> dict:
    """Times calls in turns, after a first call of each; those that fail are left out."""
    times, results = {name: [] for name in calls}, {}
    for name, call in list(calls.items()):
        begin = time.perf_counter()
        try:
            results[name] = call()
        except Exception as error:
            say(f"{step} {name}: {type(error).__name__}: {str(error)[:300]}")
            del calls[name]
            continue
        say(f"{step} n={n} k={k} {name}: first call {time.perf_counter() - begin:.3f} s")
    for _ in range(rounds):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - begin)
    medians = {name: float(np.median(times[name])) * scale.get(name, 1) * 1e3 for name in calls}
    ours = medians.get("jax_dns", np.nan)
    for name, ms in medians.items():
        best = min(times[name]) * scale.get(name, 1) * 1e3
        ratio = round(ours / ms, 3)
        note(step, name, n, k, ms, best=round(best, 3), jax_dns_to_this=ratio, rounds=rounds)
    return results


def whole(options, n: int, ks: tuple, *, rounds: int, grid: bool, few: int | None = None) -> None:
    """Times smoothing of all items, host arrays in and out; torch on `few` queries, scaled."""
    from jax_dns import smooth, smooth_grid

    scores, features = clustered(n, options.d)
    rivals = {"torch topk": {}, "torch product": {"only_product": True}} if has_torch() else {}
    scale = {name: n / few for name in rivals} if few else {}
    for k in ks:
        calls = {"jax_dns": lambda k=k: smooth(scores, features, k)}
        for name, how in rivals.items():
            calls[name] = lambda k=k, how=how: torch_smooth(scores, features, k, queries=few, **how)
        results = interleave("whole", calls, n, k, rounds=rounds, scale=scale)
        if "jax_dns" in results:
            rows = np.random.default_rng(0).permutation(n)[: 3 if n > 200_000 else 10]
            check_rows(f"{n} items", rows, results["jax_dns"], scores, features, k)
    if grid:
        ks = tuple(k for k in GRID if k < n)
        calls = {"jax_dns": lambda: smooth_grid(scores, features, ks)}
        if rivals:
            calls["torch sorted topk"] = lambda: torch_smooth(scores, features, 0, ks=ks)
        interleave("grid", calls, n, f"grid{len(ks)}", rounds=rounds, scale={})


def small(options) -> None:
    rounds = max(options.rounds, 2 if options.quick else 15)
    whole(options, 700 if options.quick else 8_400, options.ks, rounds=rounds, grid=True)


def medium(options) -> None:
    n = 1_000 if options.quick else 100_000
    whole(options, n, options.ks, rounds=options.rounds, grid=True)


def large(options) -> None:
    n, few = (1_200, 256) if options.quick else (1_000_000, 65_536)
    whole(options, n, options.ks[1:2], rounds=3, grid=False, few=few)


def overhead(options) -> None:
    """Where the host's time goes in a small problem."""
    import jax

    from jax_dns import smooth
    from jax_dns.smoothing.engine import gpu_items, gpu_plan

    n, k = (700, 12) if options.quick else (8_400, 1_024)
    scores, features = clustered(n, options.d)
    smooth(scores, features, k)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(5):
        smooth(scores, features, k)
    profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(12)
    print(text.getvalue()[-2_500:], flush=True)
    arrays = jax.device_put((scores, features))
    plan = gpu_plan.make_plan(n, n, k)
    numbers = jax.device_put(gpu_items._numbers(n, (k,), plan))
    how = dict(ks=(k,), plan=plan, metric="euclidean")
    compute = lambda: gpu_items.smooth_arrays(numbers, *arrays, **how)  # noqa: E731
    repeats = 1 if options.quick else 20
    note("overhead", "the device's programs, queued", n, k, clock(compute, repeats=repeats))
    note("overhead", "smooth, device arrays", n, k, clock(lambda: smooth(*arrays, k)))
    note("overhead", "features to the device", n, k, clock(lambda: jax.device_put(features)))


# --- training and the demo, in processes of their own ---------------------------------------------


def training(options) -> None:
    run_training(options.out / "training", limit=options.limit, quick=options.quick)


def demo(options) -> None:
    note("demo", "nothing compiled", 0, "", time_demo(quick=options.quick) * 1e3)


STEPS = {
    f.__name__: (f, seconds)
    for f, seconds in (
        *((versions, 30), (small, 40), (overhead, 15), (medium, 45), (exactness, 50)),
        *((large, 80), (block, 40), (demo, 200), (training, 600)),
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--steps", nargs="+", choices=list(STEPS), default=list(STEPS))
    add("--quick", action="store_true", help="tiny sizes")
    add("--d", type=int, default=128)
    add("--rounds", type=int, default=5)
    add("--budget", type=float, default=1_200, help="seconds that all may take")
    add("--limit", type=float, default=95, help="seconds for PyTorch's first step")
    add("--out", type=Path, default=Path("gpu_check"))
    options = parser.parse_args()
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # other processes share the GPU
    options.ks = (2, 12, 20) if options.quick else (128, 1_024, 2_048)
    options.d = 16 if options.quick else options.d
    if options.quick:
        from jax_dns.smoothing import routes
        from jax_dns.smoothing.engine import gpu_items, gpu_plan, grouped

        routes.is_for_host = lambda inputs: False
        gpu_plan.WHOLE_ROW, gpu_plan.SAMPLES, gpu_plan.BLOCK_ROWS = 128, (128, 256), 512
        gpu_plan.PART_COLUMNS = 512
        gpu_items.has_gpu = lambda: True
        gpu_items.runs_on_gpu = grouped.runs_on_gpu = lambda *arrays: True
    options.out.mkdir(parents=True, exist_ok=True)

    def too_long(*_):
        raise TimeoutError("the step took too long")

    signal.signal(signal.SIGALRM, too_long)
    for name in options.steps:
        function, seconds = STEPS[name]
        left = int(options.budget - (time.perf_counter() - START))
        if left < 5:
            say(f"{name}: left out, no time left")
            continue
        say(f"--- {name}")
        signal.alarm(min(seconds, left))
        try:
            function(options)
        except Exception:
            traceback.print_exc(file=sys.stdout)
        finally:
            signal.alarm(0)
        with (options.out / "gpu_check.csv").open("w", newline="") as file:
            names = dict.fromkeys(key for row in ROWS for key in row)
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(ROWS)
    say("done")


if __name__ == "__main__":
    main()
