"""Smooths the queries of a group, block by block, on a GPU.

A block's products with all items are written once and read once: a sample of the columns gives each
row a threshold that somewhat more than the K nearest pass, and only those are kept, in few slots.
Rows whose slots overflow, or that keep fewer than K - 1 values, are smoothed again without a
threshold; in data without many equal distances that is about one row in a million. Rows of few
items are selected from as they are.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine import gpu_compact
from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.kth_threshold import select
from jax_dns.smoothing.engine.neighbor_means import bounds, sum_below
from jax_dns.smoothing.validation import is_traced

BLOCK_VALUES, BLOCK_ROWS = 3 * 2**27, 2**14  # 1.5 GiB
WHOLE_ROW = 4096  # columns up to which a row is selected from in registers
SAMPLES = (2048, 4096, 8192, 16384)
MOST_SLOTS = 16384
SAMPLE_COST = 0.25  # of a column of the sample, relative to a slot's
DEVIATIONS = 5  # one row in some 10^6 falls short, and one overflows
PART_COLUMNS, MOST_PARTS = 2**16, 8  # of a row, in blocks of few rows
ROW_STEP, TILE_ROWS, MANY_ROWS = 8, 128, 1024  # a product of few rows wants them in whole tiles
REDONE_VALUES, REDONE_ROWS = 2**25, 256  # at once
ROOM = gpu_compact.SLACK / (gpu_compact.SLACK + 1)  # of the slots: thresholds exceed the rank


class GpuPlan(NamedTuple):
    """Sizes of the programs for one group; equal plans share compiled programs."""

    columns: int  # items, padded
    block: int  # queries of a block
    queries: int  # padded to whole blocks
    sample: int  # columns that thresholds are estimated from; 0: rows are selected from whole
    slots: int
    parts: int  # of the columns, each with its share of the slots


def has_gpu() -> bool:
    """Returns whether JAX computes on a GPU unless it is told otherwise."""
    return jax.default_backend() == "gpu"


def runs_on_gpu(*arrays: Array) -> bool:
    """Returns whether arrays are known values of float32 on a GPU."""
    return all(
        x.dtype == jnp.float32
        and not is_traced(x)
        and all(device.platform == "gpu" for device in x.devices())
        for x in arrays
    )


def make_plan(n: int, m: int, k: int, *, block_size: int | None = None) -> GpuPlan | None:
    """Chooses sizes for m queries against n items and the largest K.

    Returns:
      None where so large a part of the items is selected that thresholds save nothing.
    """
    sample = slots = parts = 0
    if n <= WHOLE_ROW:
        columns = max(2 ** max(n - 1, 0).bit_length(), 32)
    else:
        parts = min(2 ** max((n // PART_COLUMNS).bit_length() - 1, 0), MOST_PARTS)
        step = parts * gpu_compact.CHUNK
        columns = -(-n // step) * step
        sizes = ((size, slots_needed(n, k, size, parts)) for size in SAMPLES if size < n)
        sample, slots = min(sizes, key=lambda size: SAMPLE_COST * size[0] + size[1])
        if slots > min(MOST_SLOTS, n // 2):
            return None
    most = min(BLOCK_VALUES // columns, BLOCK_ROWS, block_size or BLOCK_ROWS)
    step = TILE_ROWS if TILE_ROWS <= min(most, m) < MANY_ROWS else ROW_STEP
    blocks = -(-m // max(most // step * step, step))
    block = -(-m // (blocks * step)) * step
    return GpuPlan(columns, block, blocks * block, sample, slots, parts)


def slots_needed(n: int, k: int, sample: int, parts: int = 1) -> int:
    """Returns the fewest slots, a power of two, between which and K a threshold is safe.

    The number of the sample's values among the K nearest of all is about Poisson distributed, and
    its square root has a standard deviation of 1/2 whatever K is: `sample_rank` lies `DEVIATIONS`
    of them above K's, and as many below the slots'. It varies less where the sample is most of the
    items, and a part's share of the values varies in addition.

    Args:
      n: items.
      k: the largest K.
      sample: size of the sample.
      parts: of the columns.
    """
    rate = sample / n
    least = math.sqrt(k * rate) + DEVIATIONS * math.sqrt(1 - rate + (parts - 1) * rate)
    slots = max(2 ** (k - 1).bit_length(), 32)
    while slots < n and math.sqrt(slots * rate * ROOM) < least:
        slots *= 2
    return slots


def sample_rank(n: int, k: int, sample: int, slots: int) -> int:
    """Returns the rank in a sample of n items whose value is each row's threshold.

    It lies as many standard deviations above what the K nearest reach as below what the slots hold.
    """
    rate = sample / n
    return math.ceil(((math.sqrt(k * rate) + math.sqrt(slots * rate * ROOM)) / 2) ** 2)


def plan_rank(plan: GpuPlan, n: int, k: int) -> int:
    """Returns `sample_rank` of a plan, 0 without a sample."""
    return sample_rank(n, k, plan.sample, plan.slots) if plan.sample else 0


def product_precision() -> jax.lax.DotAlgorithmPreset | jax.lax.Precision:
    """Returns the fastest precision within the rule of exactness on the device at hand.

    On an H100 three TF32 products err by 6.1e-7 of the norms, HIGHEST by 4.2e-7 in 1.4 times the
    time. The preset named BF16_BF16_F32_X9 erred by 1.1e-4.
    """
    if has_gpu():
        capability = getattr(jax.local_devices()[0], "compute_capability", "0")
        if capability.replace(".", "").isdigit() and float(capability) >= 8:
            return jax.lax.DotAlgorithmPreset.TF32_TF32_F32_X3
    return jax.lax.Precision.HIGHEST


def smooth_on_gpu(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    rows: Int[np.ndarray, " r"],
    queries: Int[np.ndarray, " q"],
    self_index: Int[np.ndarray, " q"],
    *,
    ks: tuple[int, ...],
    block_size: int | None = None,
) -> Float[Array, "k m"] | None:
    """Smooths the queries of one group, where thresholds pay; arguments as of `smooth_group`.

    Without a GPU the kernels are interpreted, which is for tests.

    Returns:
      [k, m]; None where so large a part of the items is selected that thresholds save nothing.
    """
    plan = make_plan(len(rows), len(queries), max(ks), block_size=block_size)
    if plan is None:
        return None
    return smooth_group(
        out,
        scores,
        features,
        query_scores,
        query_features,
        _pad(rows, plan.columns),
        np.int32(len(rows)),
        _pad(queries, plan.queries),
        np.int32(len(queries)),
        _pad(self_index, plan.queries),
        np.asarray(ks, np.int32),
        np.int32(plan_rank(plan, len(rows), max(ks))),
        plan=plan,
        precision=product_precision(),
        interpret=not has_gpu(),
    )


def _pad(x: Int[np.ndarray, " n"], size: int) -> Int[np.ndarray, " size"]:
    return np.pad(x, (0, size - len(x)), mode="edge") if len(x) else np.zeros(size, x.dtype)


@functools.partial(jax.jit, static_argnames=("plan", "precision", "interpret"))
def smooth_group(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    rows: Int[Array, " r"],
    row_count: Int[Array, ""],
    queries: Int[Array, " q"],
    query_count: Int[Array, ""],
    self_index: Int[Array, " q"],
    ks: Int[Array, " k"],
    rank: Int[Array, ""],
    *,
    plan: GpuPlan,
    precision: jax.lax.DotAlgorithmPreset | jax.lax.Precision = jax.lax.Precision.HIGHEST,
    interpret: bool = False,
) -> Float[Array, "k m"]:
    """Smooths the queries of one group and writes them into `out`.

    Args:
      out: [k, m].
      scores: [n].
      features: [n, d], after the mean is subtracted, as the queries'.
      query_scores: [m].
      query_features: [m, d].
      rows: [r] numbers of the group's items in pseudo-random order, so that any first part is a
        fair sample; padded to the plan's columns.
      row_count: items before the padding.
      queries: [q] numbers of the group's queries, padded to whole blocks.
      query_count: queries before the padding.
      self_index: [q] a query's place in `rows`, or -1.
      ks: [k] Ks.
      rank: `sample_rank` of the largest K.
      plan: sizes.
      precision: of the products.
      interpret: whether the kernels run without a GPU, slowly.

    Returns:
      [k, m].
    """
    scores, features = scores[rows], jax.lax.stop_gradient(features[rows])
    norms = jnp.sum(features**2, axis=1)
    longest = jnp.sqrt(jnp.max(norms))
    norms = jnp.where(jnp.arange(len(rows)) < row_count, norms, jnp.inf)
    ranks = ks - 1

    def multiply(q: Float[Array, "b d"]) -> Float[Array, "b r"]:
        over_features = (((1,), (1,)), ((), ()))
        return jax.lax.dot_general(
            -2 * q, features, over_features, precision, preferred_element_type=jnp.float32
        )

    def one_block(block: tuple[Array, Array]) -> tuple[Float[Array, "b k"], Bool[Array, " b"]]:
        queries, self_index = block
        products = multiply(query_features[queries])
        if plan.sample == 0:
            sums = gpu_compact.sums_of_row(
                products, norms, self_index, scores, ranks, interpret=interpret
            )
            return sums, jnp.zeros(len(queries), bool)
        thresholds = gpu_compact.sample_thresholds(
            products, norms, rank, sample=plan.sample, interpret=interpret
        )
        kept = gpu_compact.compact_below(
            products,
            norms,
            thresholds,
            slots=plan.slots,
            parts=plan.parts,
            interpret=interpret,
        )
        sums = gpu_compact.sums_of_kept(kept, self_index, scores, ranks, interpret=interpret)
        overflown = jnp.any(kept.counts > plan.slots // plan.parts, axis=1)
        others = jnp.sum(kept.counts, axis=1, dtype=jnp.int32) - (self_index >= 0)  # or more
        return sums, overflown | (others < jnp.max(ranks))

    def without_threshold(queries: Array, self_index: Array) -> Float[Array, "b k"]:
        q = query_features[queries]
        near = norms[None, :] + multiply(q)
        near = jnp.where(self_index[:, None] == jnp.arange(len(rows))[None, :], jnp.inf, near)
        missing = padded_columns(len(rows)) - len(rows)
        near = jnp.pad(near, ((0, 0), (0, missing)), constant_values=jnp.inf)
        low, high = bounds(q, longest)
        total = row_count - (self_index >= 0).astype(jnp.int32)
        brackets = select(near, ranks, low, high, total)
        return sum_below(near, jnp.pad(scores, (0, missing)), ranks, brackets).T

    def redo(state: tuple[Array, Array]) -> tuple[Array, Array]:
        sums, failed = state
        rows = min(max(REDONE_VALUES // plan.columns, ROW_STEP), REDONE_ROWS, len(queries))
        (which,) = jnp.nonzero(failed, size=rows, fill_value=0)
        again = without_threshold(queries[which], self_index[which])
        return sums.at[which].set(again), failed.at[which].set(False)

    blocks = queries.reshape(-1, plan.block), self_index.reshape(-1, plan.block)
    sums, failed = jax.lax.map(one_block, blocks)
    sums, failed = sums.reshape(len(queries), -1), failed.ravel()
    if plan.sample:
        failed &= jnp.arange(len(queries)) < query_count
        sums, _ = jax.lax.while_loop(lambda state: jnp.any(state[1]), redo, (sums, failed))
    smoothed = (query_scores[queries][None, :] + sums.T) / ks[:, None].astype(sums.dtype)
    number, m = jnp.arange(len(queries), dtype=jnp.int32), out.shape[1]
    column = jnp.where(number < query_count, queries, m + number)  # the padding's is out of bounds
    return out.at[:, column].set(smoothed, mode="drop", unique_indices=True)
