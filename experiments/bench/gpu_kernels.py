"""Times the parts of one block of smoothing on a GPU, and a few shapes of its kernels."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from jax_dns.smoothing.engine import gpu_blocks, gpu_compact, gpu_plan
from jax_dns.smoothing.engine.gpu_plan import GpuPlan

OVER_FEATURES = (((1,), (1,)), ((), ()))


def time_block(
    plan: GpuPlan, scores: np.ndarray, features: np.ndarray, k: int, *, clock, note, say
) -> None:
    """Times a block's product, thresholds, compaction and sums.

    Args:
      plan: for the items.
      scores: [n].
      features: [n, d].
      k: K.
      clock: milliseconds of a compiled function's call.
      note: reports a name and milliseconds.
      say: prints.
    """
    interpret = jax.default_backend() != "gpu"
    n, m = len(scores), plan.block
    missing = plan.columns - n
    x = jnp.asarray(np.pad(features - features.mean(0), ((0, missing), (0, 0))))
    s = jnp.asarray(np.pad(scores, (0, missing)))
    norms = jnp.where(jnp.arange(plan.columns) < n, jnp.sum(x**2, axis=1), jnp.inf)
    rank = jnp.int32(gpu_plan.plan_rank(plan, n, k))
    precision = gpu_blocks.product_precision()

    def timed(name, function, *arguments):
        try:
            note(name, clock(jax.jit(function), *arguments))
        except Exception as error:
            say(f"{name}: {type(error).__name__}: {str(error)[:200]}")

    def product(q, x):
        return jax.lax.dot_general(
            -2 * q, x, OVER_FEATURES, precision, preferred_element_type=jnp.float32
        )

    def thresholds_of(p, c, r):
        return gpu_compact.sample_thresholds(p, c, r, sample=plan.sample, interpret=interpret)

    def compact(p, c, t, rows=gpu_compact.COMPACT_ROWS, parts=plan.parts):
        return gpu_compact.compact_below(
            p, c, t, slots=plan.slots, rows=rows, parts=parts, interpret=interpret
        )

    timed("product", product, x[:m], x)
    products = jax.jit(product)(x[:m], x)
    timed("one pass: row maximum", lambda p: p.max(1), products)
    timed("sample_thresholds", thresholds_of, products, norms, rank)
    thresholds = jax.jit(thresholds_of)(products, norms, rank)
    for rows in (1, 2, 4):
        for parts in sorted({1, plan.parts}):
            timed(
                f"compact_below, rows {rows}, parts {parts}",
                lambda p, c, t, rows=rows, parts=parts: compact(p, c, t, rows, parts),
                *(products, norms, thresholds),
            )
    kept = jax.jit(compact)(products, norms, thresholds)
    for ranks in ((k - 1,), tuple(min(2**i, k) - 1 for i in range(12))):
        timed(
            f"sums_of_kept, {len(ranks)} Ks",
            lambda kept, i, s, r: gpu_compact.sums_of_kept(kept, i, s, r, interpret=interpret),
            *(kept, jnp.arange(m, dtype=jnp.int32), s, jnp.asarray(ranks, jnp.int32)),
        )
    counts, sums = np.asarray(kept.counts), np.asarray(kept.counts).sum(1)
    expected = np.asarray((products[:64] + norms < thresholds[:64, None]).sum(1))
    short, full = (sums < k).sum(), (counts > plan.slots // plan.parts).any(1).sum()
    say(
        f"kept {sums.mean():.0f} ({sums.min()} to {sums.max()}) of K = {k} and {plan.slots} slots; "
        f"of {m} rows {short} fall short, {full} overflow; "
        f"counts are right: {bool((sums[:64] == expected).all())}"
    )


def clock(function, *arguments, repeats: int = 10) -> float:
    """Times a compiled function, calls queued one after another; returns milliseconds a call."""
    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        for _ in range(repeats):
            result = function(*arguments)
        jax.block_until_ready(result)
        times.append((time.perf_counter() - begin) / repeats * 1e3)
    return float(np.median(times))
