"""Checks and times smoothing on a GPU in one run that needs no network.

    PYTHONPATH=. python3 experiments/bench/gpu_check.py --out gpu_check

Prints as it goes and writes <out>/gpu_check.csv. A step that fails or takes too long is reported,
and the next one runs. `--quick` takes tiny sizes, and without a GPU Pallas' interpreter.
"""

import argparse
import contextlib
import cProfile
import csv
import io
import itertools
import pstats
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

GRID = tuple(2**i for i in range(12))
BLOCK_VALUES = 2**28  # of torch's blocks
ROWS: list[dict] = []
START = time.perf_counter()


def say(*words) -> None:
    print(f"[{time.perf_counter() - START:6.1f}]", *words, flush=True)


def note(step: str, name: str, n: int, k: int | str, ms: float, **more) -> None:
    ROWS.append(dict(step=step, name=name, n=n, k=k, ms=round(ms, 4), **more))
    say(f"{step:10s} n={n:<9} k={k!s:<5} {name:46s} {ms:10.3f} ms ", more or "")


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

    device = jax.devices()[0]
    capability = getattr(device, "compute_capability", None)
    say(f"Python {sys.version.split()[0]}, jax {jax.__version__}, jaxlib {jaxlib.__version__}")
    say(f"{device.device_kind}, capability {capability}, backend {jax.default_backend()}")
    say("memory", (device.memory_stats() or {}).get("bytes_limit"))
    from jax_dns.smoothing.engine import gpu_blocks

    say("precision", gpu_blocks.product_precision())
    for n, k in itertools.product((8_400, 100_000, 1_000_000), (16, 128, 1024, 2048)):
        say(n, k, gpu_blocks.make_plan(n, n, k))
    with contextlib.suppress(ImportError):
        import torch

        say(f"torch {torch.__version__}, CUDA {torch.cuda.is_available()}")


def worst_excess(got, scores, features, k, candidates, rows) -> float:
    """By how much values lie outside of what the rule of exactness allows, of 1 + max |score|."""
    x = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    norms = (x**2).sum(1)
    worst = 0.0
    for part in np.array_split(rows, max(1, len(rows) * len(x) // 2**25)):
        far = norms[part, None] + norms[None] - 2 * x[part] @ x.T
        far[~candidates(part)] = np.inf
        limit = np.partition(far, k - 2, axis=1)[:, k - 2]
        slack = 2e-6 * (norms[part] + norms.max())
        for i, row in enumerate(part):
            certain = far[i] < limit[i] - slack[i]
            tied = np.sort(scores[np.abs(far[i] - limit[i]) <= slack[i]].astype(np.float64))
            free = k - 1 - certain.sum()
            total = scores[row] + scores[certain].sum(dtype=np.float64)
            low, high = total + tied[:free].sum(), total + tied[len(tied) - free :].sum()
            worst = max(worst, low / k - got[row], got[row] - high / k)
    return worst / (1 + np.abs(scores).max())


def exactness(options) -> None:
    from jax_dns import smooth, smooth_grid

    sizes = (300, 700) if options.quick else (3_000, 20_000)
    ks = (2, 5, 12) if options.quick else (16, 128, 1_000, 2_048)
    rng = np.random.default_rng(3)

    for n in sizes:

        def all_others(r, n=n):
            return r[:, None] != np.arange(n)

        scores, features = clustered(n, options.d)
        rows = rng.permutation(n)[: 50 if options.quick else 1_500]
        grid = smooth_grid(scores, features, ks)
        for k, got in zip(ks, grid):
            if k > n - 1:
                continue
            worst = worst_excess(got, scores, features, k, all_others, rows)
            single = smooth(scores, features, k)
            off = float(np.abs(single - got).max())
            note(
                "exactness",
                "all items",
                n,
                k,
                0,
                excess=f"{worst:.2g}",
                grid_to_single=f"{off:.2g}",
            )
        groups, pool = rng.integers(0, 3, n), rng.random(n) < 0.8
        k = ks[1]
        got = smooth(scores, features, k, groups=groups, pool=pool)

        def candidates(r, groups=groups, pool=pool, n=n):
            same = groups[r][:, None] == groups[None]
            return same & pool[None] & (r[:, None] != np.arange(n))

        worst = worst_excess(got, scores, features, k, candidates, rows)
        note("exactness", "groups and pool", n, k, 0, excess=f"{worst:.2g}")
    n = sizes[1]
    scores, _ = clustered(n, options.d)
    features = np.repeat(np.eye(4, options.d, dtype=np.float32), n // 4, axis=0)
    got = smooth(scores, features, ks[1])
    rows = np.arange(0, n, n // 20)
    worst = worst_excess(got, scores, features, ks[1], all_others, rows)
    note("exactness", "four distinct items: all rows redone", n, ks[1], 0, excess=f"{worst:.2g}")


def clock(function, *arguments, repeats: int = 10) -> float:
    """Milliseconds of a call of a compiled function, calls queued one after another."""
    import jax

    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        for _ in range(repeats):
            result = function(*arguments)
        jax.block_until_ready(result)
        times.append((time.perf_counter() - begin) / repeats * 1e3)
    return float(np.median(times))


def block(options) -> None:
    """Times the parts of one block, and tries shapes of the kernels."""
    import jax
    import jax.numpy as jnp

    from jax_dns.smoothing.engine import gpu_blocks, gpu_compact
    from jax_dns.smoothing.engine.kth_threshold import select

    interpret = jax.default_backend() != "gpu"
    n, m, k = (900, 16, 12) if options.quick else (100_000, 4_096, 1_024)
    repeats = 1 if options.quick else 10
    scores, features = clustered(n, options.d)
    features -= features.mean(0)
    columns = gpu_blocks.make_plan(n, m, k).columns
    x = jnp.asarray(np.pad(features, ((0, columns - n), (0, 0))))
    s = jnp.asarray(np.pad(scores, (0, columns - n)))
    norms = jnp.where(jnp.arange(columns) < n, jnp.sum(x**2, axis=1), jnp.inf)
    finite = jnp.where(norms < jnp.inf, norms, 0)
    q = x[:m]
    self_index = jnp.arange(m, dtype=jnp.int32)

    def timed(name, function, *arguments, **more):
        try:
            note("block", name, n, k, clock(jax.jit(function), *arguments, repeats=repeats), **more)
        except Exception as error:
            say(f"block {name}: {type(error).__name__}: {str(error)[:300]}")

    over = (((1,), (1,)), ((), ()))
    preset = jax.lax.DotAlgorithmPreset
    precisions = dict(highest=jax.lax.Precision.HIGHEST)
    if not interpret:
        precisions |= dict(tf32x3=preset.TF32_TF32_F32_X3, tf32=preset.TF32_TF32_F32)

    def dot(precision, q, x, over=over):
        return jax.lax.dot_general(q, x, over, precision, preferred_element_type=jnp.float32)

    for name, precision in precisions.items():
        timed(f"product {name}", lambda q, x, p=precision: dot(p, q, x), q, x)
    best = precisions.get("tf32x3", jax.lax.Precision.HIGHEST)
    columns_first = (((1,), (0,)), ((), ()))
    timed("product tf32x3, items [d, n]", lambda q, x: dot(best, q, x, columns_first), q, x.T)
    extra = jnp.zeros((columns, 6))
    augmented = jnp.concatenate([x, finite[:, None], finite[:, None], extra], 1)
    q_augmented = jnp.concatenate([q, jnp.ones((m, 8))], 1)
    timed("product tf32x3, d + 8", lambda q, x: dot(best, q, x), q_augmented, augmented)
    timed("product tf32x3 plus norms", lambda q, x, n: dot(best, q, x) + n, q, x, finite)

    products = jax.jit(lambda q, x: dot(best, -2 * q, x))(q, x)
    timed("one pass: row maximum", lambda p: p.max(1), products)
    per_thread = (8, 16, 32, 64)
    default = gpu_compact.VALUES_PER_THREAD
    samples = (256,) if options.quick else (2_048, 4_096, 8_192)
    for sample, values in itertools.product(samples, per_thread):
        gpu_compact.VALUES_PER_THREAD = values
        rank = jnp.int32(gpu_blocks.sample_rank(n, k, sample))
        timed(
            f"sample_thresholds {sample}, {values} a thread",
            lambda p, c, r, s=sample: gpu_compact.sample_thresholds(
                p, c, r, sample=s, interpret=interpret
            ),
            *(products, norms, rank),
        )
    gpu_compact.VALUES_PER_THREAD = default

    shapes = [(2, 8, 4)] if options.quick else COMPACT_SHAPES
    plans = [gpu_blocks.make_plan(n, m, k)]
    for sample in samples:
        slots = gpu_blocks.slots_needed(n, k, sample)
        plans.append(plans[0]._replace(sample=sample, slots=slots))
    for plan in plans:
        rank = jnp.int32(gpu_blocks.sample_rank(n, k, plan.sample))
        thresholds = gpu_compact.sample_thresholds(
            products, norms, rank, sample=plan.sample, interpret=interpret
        )
        kept = jax.jit(
            lambda p, c, t, plan=plan: gpu_compact.compact_below(
                p, c, t, slots=plan.slots, interpret=interpret
            )
        )(products, norms, thresholds)
        counts = np.asarray(kept.counts)
        say(
            f"block sample {plan.sample} slots {plan.slots}: kept {counts.mean():.0f} "
            f"({counts.min()} to {counts.max()}), short {(counts < k).sum()}, "
            f"overflown {(counts > plan.slots).sum()} of {m}"
        )
    plan = plans[0]
    rank = jnp.int32(gpu_blocks.sample_rank(n, k, plan.sample))
    thresholds = gpu_compact.sample_thresholds(
        products, norms, rank, sample=plan.sample, interpret=interpret
    )
    for rows, depth, warps in shapes:
        timed(
            f"compact_below rows {rows} depth {depth} warps {warps}",
            lambda p, c, t, r=rows, d=depth, w=warps: gpu_compact.compact_below(
                p, c, t, slots=plan.slots, rows=r, depth=d, warps=w, interpret=interpret
            ),
            *(products, norms, thresholds),
        )
    kept = gpu_compact.compact_below(
        products, norms, thresholds, slots=plan.slots, interpret=interpret
    )
    expected = np.asarray((products + norms < thresholds[:, None]).sum(1))
    say("block: counts are right:", bool((np.asarray(kept.counts) == expected).all()))
    grid = tuple(min(k, g) for g in GRID)
    for ranks, values in itertools.product(((k,), grid), per_thread):
        gpu_compact.VALUES_PER_THREAD = values
        timed(
            f"sums_of_kept {plan.slots}, {len(ranks)} ranks, {values} a thread",
            lambda kept, i, s, r: gpu_compact.sums_of_kept(kept, i, s, r, interpret=interpret),
            *(kept, self_index, s, jnp.asarray(ranks, jnp.int32) - 1),
        )
    gpu_compact.VALUES_PER_THREAD = default
    valid = jnp.arange(plan.slots) < kept.counts[:, None]
    values = jnp.where(valid, kept.values, jnp.inf)
    held = jnp.where(valid, s[jnp.where(valid, kept.columns, 0)], 0)
    low, high, total = values.min(1) - 1e-3, thresholds, kept.counts

    def by_select(v, low, high, total, held):
        b = select(v, jnp.asarray([k - 1]), low, high, total)
        threshold = jnp.where(b.below_low[0] == k - 1, b.low[0], b.high[0])
        return jnp.where(v < threshold[:, None], held, 0).sum(1)

    timed("select and sum of the kept", by_select, values, low, high, total, held)
    timed(
        "lax.sort of the kept with scores",
        lambda v, h: jnp.cumsum(jax.lax.sort((v, h), num_keys=1)[1], axis=1),
        *(values, held),
    )


def tiles(options) -> None:
    """Times the kernels that compare tiles of half precision, and tries their shapes."""
    import jax
    import jax.numpy as jnp

    from jax_dns.smoothing.engine import gpu_blocks, gpu_compact, gpu_filter

    interpret = jax.default_backend() != "gpu"
    n, m, k = (2_048, 128, 12) if options.quick else (100_352, 4_096, 1_024)
    repeats = 1 if options.quick else 10
    _, features = clustered(n, options.d)
    features -= features.mean(0)
    x = jnp.asarray(features)
    q, norms = -2 * x[:m], jnp.sum(x**2, axis=1)
    words = 64 if options.quick else 512
    padded = -(-n // (32 * words)) * 32 * words
    x = jnp.pad(x, ((0, padded - n), (0, 0)))
    norms = jnp.pad(norms, (0, padded - n), constant_values=jnp.inf)
    plan = gpu_blocks.make_plan(n, m, k)
    rank = jnp.int32(gpu_blocks.sample_rank(n, k, plan.sample))
    sample = jax.lax.dot_general(
        q, x[: plan.sample], (((1,), (1,)), ((), ())), jax.lax.Precision.HIGHEST
    )
    thresholds = gpu_compact.sample_thresholds(
        sample, norms, rank, sample=plan.sample, interpret=interpret
    )
    preset = jax.lax.DotAlgorithmPreset
    kinds = [("f16", jnp.float16, None, TILES), ("bf16", jnp.bfloat16, None, TILES[:1])]
    if not interpret:
        kinds += [
            ("tf32", jnp.float32, preset.TF32_TF32_F32, TILES_32),
            ("tf32x3", jnp.float32, preset.TF32_TF32_F32_X3, TILES_32),
        ]
    for kind, dtype, precision, shapes in kinds:
        halves = q.astype(dtype), x.astype(dtype)
        for rows, columns, warps, stages in shapes[:1] if options.quick else shapes:
            name = f"filter_below {kind} {rows} x {columns}, {warps} warps, {stages} stages"
            function = jax.jit(
                lambda *a, how=dict(rows=rows, columns=columns, warps=warps, stages=stages), p=precision: (  # noqa: E501
                    gpu_filter.filter_below(*a, **how, precision=p, interpret=interpret)
                )
            )
            try:
                ms = clock(function, *halves, norms, thresholds, repeats=repeats)
                note("tiles", name, n, k, ms, tflops=round(2 * m * n * options.d / ms / 1e9, 1))
            except Exception as error:
                say(f"tiles {name}: {type(error).__name__}: {str(error)[:300]}")
    half = q.astype(jnp.float16), x.astype(jnp.float16)
    bits = gpu_filter.filter_below(*half, norms, thresholds, interpret=interpret)
    for chunk, warps in [(64, 2)] if options.quick else [(512, 4), (256, 2), (256, 4), (512, 8)]:
        name = f"columns_of_bits chunk {chunk} warps {warps}"
        function = jax.jit(
            lambda b, how=dict(chunk=chunk, warps=warps): gpu_filter.columns_of_bits(
                b, slots=plan.slots, **how, interpret=interpret
            )
        )
        try:
            note("tiles", name, n, k, clock(function, bits, repeats=repeats))
            columns, counts = function(bits)
        except Exception as error:
            say(f"tiles {name}: {type(error).__name__}: {str(error)[:300]}")
    for chunk, warps, stages in (
        [(32, 4, 1)]
        if options.quick
        else [(32, 4, 1), (64, 4, 1), (64, 8, 1), (16, 2, 1), (32, 2, 1), (64, 4, 2)]
    ):
        name = f"distances_at chunk {chunk} warps {warps} stages {stages}"
        function = jax.jit(
            lambda *a, how=dict(chunk=chunk, warps=warps, stages=stages): gpu_filter.distances_at(
                *a, **how, interpret=interpret
            )
        )
        try:
            ms = clock(function, columns, counts, q, x, norms, repeats=repeats)
            gb = float(jnp.sum(counts)) * 4 * options.d / 1e9
            note("tiles", name, n, k, ms, gb_per_s=round(gb / ms * 1e3))
            values = function(columns, counts, q, x, norms)
        except Exception as error:
            say(f"tiles {name}: {type(error).__name__}: {str(error)[:300]}")
    counts, columns, values = map(np.asarray, (counts, columns, values))
    exact_q, exact_x = np.asarray(q[:8], np.float64), np.asarray(x, np.float64)
    exact = exact_q @ exact_x.T + (exact_x**2).sum(1)
    exact[:, n:] = np.inf
    for row in range(3):
        held = columns[row, : counts[row]]
        error = np.abs(values[row, : counts[row]] - exact[row, held]).max()
        missed = np.setdiff1d(np.flatnonzero(exact[row] < float(thresholds[row])), held)
        over = np.max(float(thresholds[row]) - exact[row, missed], initial=0)
        more = np.max(exact[row, held] - float(thresholds[row]), initial=0)
        say(
            f"tiles row {row}: {counts[row]} held, worst distance error {error:.2g}, "
            f"{len(missed)} missed by up to {over:.2g}, held above by up to {more:.2g}, "
            f"largest norm {float(jnp.max(norms[:n])):.4g}"
        )


TILES = (
    *((128, 128, 8, 2), (128, 128, 8, 3), (64, 128, 4, 2), (64, 128, 4, 3), (128, 64, 4, 3)),
    *((128, 64, 8, 3), (128, 256, 8, 2), (256, 64, 8, 3), (256, 128, 8, 2), (64, 64, 4, 3)),
)
TILES_32 = ((128, 64, 8, 2), (64, 64, 4, 2), (128, 128, 8, 1), (64, 128, 4, 2), (128, 32, 4, 3))
COMPACT_SHAPES = (
    *((1, 4, 4), (1, 8, 4), (1, 16, 4), (2, 4, 4), (2, 8, 4), (2, 16, 4), (4, 4, 4), (4, 8, 4)),
    *((1, 8, 2), (2, 8, 2), (2, 16, 2), (4, 16, 2), (1, 4, 8), (1, 8, 8), (2, 8, 8), (1, 32, 2)),
)


# --- rivals --------------------------------------------------------------------------------------


def torch_smooth(scores, features, k, *, queries=None, only_product=False, ks=None):
    """Eq. 7 by addmm, topk and gather in blocks of 2^28 values, host arrays in and out."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    device = "cuda" if torch.cuda.is_available() else "cpu"
    f, s = torch.from_numpy(features).to(device), torch.from_numpy(scores).to(device)
    norms, rows, out = (f**2).sum(1), max(1, BLOCK_VALUES // len(f)), []
    for q in f[:queries].split(rows):
        near = torch.addmm(norms[None], q, f.T, alpha=-2)
        if only_product:
            out.append(near[:, 0].clone())
            continue
        if ks is None:
            out.append(s[near.topk(k, largest=False, sorted=False).indices].sum(1) / k)
        else:
            sums = s[near.topk(max(ks), largest=False, sorted=True).indices].cumsum(1)
            at = torch.tensor(ks, device=device)
            out.append(sums[:, at - 1] / at)
    return torch.cat(out).cpu().numpy()


def has_torch() -> bool:
    with contextlib.suppress(ImportError):
        import torch

        return bool(torch.__version__)
    return False


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
        note(step, name, n, k, ms, jax_dns_to_this=round(ours / ms, 3), rounds=rounds)
    return results


def whole(options, n: int, ks: tuple, *, rounds: int, grid: bool, few: int | None = None) -> None:
    """Times smoothing of all items, host arrays in and out; torch on `few` queries, scaled."""
    from exactness import illegal

    from jax_dns import smooth, smooth_grid

    scores, features = clustered(n, options.d)
    rivals = {"torch topk": {}, "torch product": {"only_product": True}} if has_torch() else {}
    scale = {name: n / few for name in rivals} if few else {}
    for k in ks:
        calls = {"jax_dns": lambda k=k: smooth(scores, features, k)}
        for name, how in rivals.items():
            calls[name] = lambda k=k, how=how: torch_smooth(scores, features, k, queries=few, **how)
        results = interleave("whole", calls, n, k, rounds=rounds, scale=scale)
        rows = np.random.default_rng(0).permutation(n)[: 3 if n > 200_000 else 20]
        if "jax_dns" in results:
            wrong = illegal(rows, results["jax_dns"], scores, features, k)
            say(f"whole n={n} k={k}: {wrong} of {len(rows)} rows not exact")
        if len(results) > 1 and "torch topk" in results:
            off = np.abs(results["jax_dns"][:few] - results["torch topk"])
            say(f"whole n={n} k={k}: {(off > 1e-4).sum()} of {len(off)} rows differ from torch's")
    if grid:
        ks = tuple(k for k in GRID if k < n)
        calls = {"jax_dns": lambda: smooth_grid(scores, features, ks)}
        if rivals:
            calls["torch sorted topk"] = lambda: torch_smooth(scores, features, 0, ks=ks)
        interleave("grid", calls, n, f"grid{len(ks)}", rounds=rounds, scale={})


def small(options) -> None:
    whole(options, 700 if options.quick else 8_400, options.ks, rounds=options.rounds, grid=True)


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

    n, k = (700, 12) if options.quick else (8_400, 1_024)
    scores, features = clustered(n, options.d)
    smooth(scores, features, k)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(5):
        smooth(scores, features, k)
    profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(14)
    print(text.getvalue(), flush=True)
    on_device = jax.device_put(scores), jax.device_put(features)
    note("overhead", "device arrays in and out", n, k, clock(lambda: smooth(*on_device, k)))
    note("overhead", "features to the device", n, k, clock(lambda: jax.device_put(features)))


STEPS = {
    f.__name__: (f, seconds)
    for f, seconds in (
        *((versions, 60), (exactness, 80), (block, 100), (tiles, 60), (small, 30), (overhead, 15)),
        *((medium, 60), (large, 110)),
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--d", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=300, help="seconds after which none begins")
    parser.add_argument("--out", type=Path, default=Path("gpu_check"))
    options = parser.parse_args()
    options.ks = (2, 12, 20) if options.quick else (128, 1_024, 2_048)
    options.d = 16 if options.quick else options.d
    if options.quick:
        from jax_dns.smoothing.engine import gpu_blocks, grouped

        gpu_blocks.WHOLE_ROW, gpu_blocks.SAMPLES, gpu_blocks.BLOCK_ROWS = 128, (128, 256), 64
        grouped.runs_on_gpu = lambda *arrays: True
    options.out.mkdir(parents=True, exist_ok=True)

    def too_long(*_):
        raise TimeoutError("the step took too long")

    signal.signal(signal.SIGALRM, too_long)
    for name in options.steps:
        function, seconds = STEPS[name]
        if time.perf_counter() - START > options.budget:
            say(f"{name}: left out, no time left")
            continue
        say(f"--- {name}")
        signal.alarm(seconds)
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
