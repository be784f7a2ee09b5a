"""Smooths the queries of a group, block by block, on a GPU.

A block's products with all items are written once and read once: a sample of the columns gives each
row a threshold that somewhat more than the K nearest pass, and only those are kept, in few slots.
Rows whose slots overflow, or that keep fewer than K - 1 values, are smoothed again without a
threshold. Rows of few items are selected from as they are.
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

BLOCK_VALUES, BLOCK_ROWS = 3 * 2**27, 4096  # 1.5 GiB
WHOLE_ROW = 4096  # columns up to which a row is selected from in registers
SAMPLES = (2048, 4096, 8192, 16384)
MOST_SLOTS = 16384
SAMPLE_COST = 1.0  # of a column of the sample, relative to a slot's
DEVIATIONS = 4  # one row in some 10^4 falls short, and one overflows
COLUMN_STEP = 1024  # columns are a multiple of `compact_below`'s chunks
ROW_STEP = 8
REDONE_AT_ONCE = 64  # rows


class GpuPlan(NamedTuple):
    """Sizes of the programs for one group; equal plans share compiled programs."""

    columns: int  # items, padded
    block: int  # queries of a block
    queries: int  # padded to whole blocks
    sample: int  # columns that thresholds are estimated from; 0: rows are selected from whole
    slots: int


def runs_on_gpu(*arrays: Array) -> bool:
    """Returns whether arrays are known values of float32 on a GPU."""
    known = all(x.dtype == jnp.float32 and not is_traced(x) for x in arrays)
    return known and jax.default_backend() == "gpu"


def make_plan(n: int, m: int, k: int, *, block_size: int | None = None) -> GpuPlan | None:
    """Chooses sizes for m queries against n items and the largest K.

    Returns:
      None where so large a part of the items is selected that thresholds save nothing.
    """
    sample = slots = 0
    if n <= WHOLE_ROW:
        columns = max(2 ** max(n - 1, 0).bit_length(), 32)
    else:
        columns = -(-n // COLUMN_STEP) * COLUMN_STEP
        sizes = ((size, slots_needed(n, k, size)) for size in SAMPLES if size < n)
        sample, slots = min(sizes, key=lambda size: SAMPLE_COST * size[0] + size[1])
        if slots > min(MOST_SLOTS, n // 2):
            return None
    most = min(BLOCK_VALUES // columns, BLOCK_ROWS, block_size or BLOCK_ROWS)
    blocks = -(-m // max(most // ROW_STEP * ROW_STEP, ROW_STEP))
    block = -(-m // (blocks * ROW_STEP)) * ROW_STEP
    return GpuPlan(columns, block, blocks * block, sample, slots)


def sample_rank(n: int, k: int, sample: int) -> int:
    """Rank in a sample of n items that the K nearest of all very likely don't reach."""
    mean = k * sample / n
    return math.ceil(mean + DEVIATIONS * math.sqrt(mean * (1 - sample / n)) + 1)


def slots_needed(n: int, k: int, sample: int) -> int:
    """Slots, a power of two, that very likely hold all values below a sample's threshold."""
    rank = sample_rank(n, k, sample)
    rank += rank // gpu_compact.SLACK + 1
    spread = DEVIATIONS * math.sqrt(1 - sample / n)
    most = ((spread + math.sqrt(spread**2 + 4 * rank)) / 2) ** 2  # most - spread sqrt(most) = rank
    return max(2 ** math.ceil(math.log2(most * n / sample)), 32)


def product_precision() -> jax.lax.DotAlgorithmPreset | jax.lax.Precision:
    """Returns the fastest precision within the rule of exactness on the device at hand.

    On an H100 three TF32 products err by 6.1e-7 of the norms, HIGHEST by 4.2e-7 in 1.4 times the
    time. The preset named BF16_BF16_F32_X9 erred by 1.1e-4.
    """
    if jax.default_backend() == "gpu":
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
        np.int32(sample_rank(len(rows), max(ks), plan.sample) if plan.sample else 0),
        plan=plan,
        precision=product_precision(),
        interpret=jax.default_backend() != "gpu",
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
            products, norms, thresholds, slots=plan.slots, interpret=interpret
        )
        sums = gpu_compact.sums_of_kept(kept, self_index, scores, ranks, interpret=interpret)
        others = kept.counts - (self_index >= 0)  # not fewer than the others among the values kept
        return sums, (kept.counts > plan.slots) | (others < jnp.max(ranks))

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
        (which,) = jnp.nonzero(failed, size=min(REDONE_AT_ONCE, len(queries)), fill_value=0)
        again = without_threshold(queries[which], self_index[which])
        return sums.at[which].set(again), failed.at[which].set(False)

    blocks = queries.reshape(-1, plan.block), self_index.reshape(-1, plan.block)
    sums, failed = jax.lax.map(one_block, blocks)
    sums, failed = sums.reshape(len(queries), -1), failed.ravel()
    if plan.sample:
        failed &= jnp.arange(len(queries)) < query_count
        sums, _ = jax.lax.while_loop(lambda state: jnp.any(state[1]), redo, (sums, failed))
    smoothed = (query_scores[queries][None, :] + sums.T) / ks[:, None].astype(sums.dtype)
    to = jnp.where(jnp.arange(len(queries)) < query_count, queries, out.shape[1])
    return out.at[:, to].set(smoothed, mode="drop")
