"""Smooths the queries of a group, block by block, on a GPU.

A block's products with all items are written once and read once: a sample of the columns gives each
row a threshold that somewhat more than the K nearest pass, and only those are kept, in few slots.
Rows whose slots overflow, or that keep fewer than K - 1 values, fail and are smoothed again without
a threshold, by another program that is compiled and run only then: in data without many equal
distances about one row in a million fails. Rows of few items are selected from as they are.
"""

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine import gpu_compact
from jax_dns.smoothing.engine.counting import pad_columns
from jax_dns.smoothing.engine.gpu_plan import ROW_STEP, GpuPlan, make_plan, plan_rank
from jax_dns.smoothing.engine.kth_threshold import select
from jax_dns.smoothing.engine.neighbor_means import bounds, sum_below
from jax_dns.smoothing.partition import GroupBlock, pad_rows
from jax_dns.smoothing.validation import is_traced

REDONE_VALUES, REDONE_ROWS = 2**25, 256  # at once


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


def product_precision() -> jax.lax.DotAlgorithmPreset | jax.lax.Precision:
    """Returns the fastest precision of products that keeps the rule of exactness here.

    On an H100 three TF32 products err by 6.1e-7 of the norms, HIGHEST by 4.2e-7 in 1.4 times the
    time. The preset named BF16_BF16_F32_X9 erred by 1.1e-4.
    """
    if has_gpu():
        capability = getattr(jax.local_devices()[0], "compute_capability", "0")
        if capability.replace(".", "").isdigit() and float(capability) >= 8:
            return jax.lax.DotAlgorithmPreset.TF32_TF32_F32_X3
    return jax.lax.Precision.HIGHEST


class DeviceGroup(NamedTuple):
    """One group's items and queries on the device, padded to a plan's sizes."""

    rows: Int[Array, " r"]  # of the items, in pseudo-random order: any prefix is a fair sample
    row_count: Int[Array, ""]  # before the padding
    queries: Int[Array, " q"]
    query_count: Int[Array, ""]
    self_index: Int[Array, " q"]  # a query's position in `rows`, or -1


class Failures(NamedTuple):
    """Queries that a threshold failed for."""

    failed: Bool[Array, " q"]
    some: Bool[Array, ""]


def smooth_on_gpu(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    groups: Iterable[GroupBlock],
    *,
    ks: tuple[int, ...],
    block_size: int | None = None,
) -> tuple[Float[Array, "k m"], list[GroupBlock]]:
    """Smooths the queries of every group with few enough neighbours; takes `smooth_group`'s arrays.

    Without a GPU the kernels are interpreted, which is for tests.

    Returns:
      [k, m], and the groups in which so many of the items are selected that thresholds save
      nothing; their queries are not smoothed.
    """
    arrays = scores, features, query_scores, query_features
    ranks, queued, others = np.asarray(ks, np.int32) - 1, [], []
    for block in groups:
        rows, queries, self_index = block
        plan = make_plan(len(rows), len(queries), max(ks), block_size=block_size)
        if plan is None:
            others.append(block)
            continue
        group = DeviceGroup(
            pad_rows(rows, plan.columns),
            np.int32(len(rows)),
            pad_rows(queries, plan.queries),
            np.int32(len(queries)),
            pad_rows(self_index, plan.queries),
        )
        rank = np.int32(plan_rank(plan, len(rows), max(ks)))
        options = dict(precision=product_precision(), interpret=not has_gpu())
        out, failures = smooth_group(out, *arrays, group, ranks, rank, plan=plan, **options)
        queued.append((group, failures))
    for group, failures in queued:  # the host waits for the device only here
        if failures.some:
            out = smooth_again(out, *arrays, group, ranks, failures.failed)
    return out, others


@functools.partial(jax.jit, static_argnames=("plan", "precision", "interpret"))
def smooth_group(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    group: DeviceGroup,
    ranks: Int[Array, " k"],
    rank: Int[Array, ""],
    *,
    plan: GpuPlan,
    precision: jax.lax.DotAlgorithmPreset | jax.lax.Precision = jax.lax.Precision.HIGHEST,
    interpret: bool = False,
) -> tuple[Float[Array, "k m"], Failures]:
    """Smooths the queries of one group and writes them into `out`.

    Args:
      out: [k, m].
      scores: [n].
      features: [n, d], in the group's frame, as the queries'.
      query_scores: [m].
      query_features: [m, d].
      group: of the plan's sizes.
      ranks: [k] K - 1.
      rank: `sample_rank` of the largest K.
      plan: sizes.
      precision: of the products.
      interpret: whether the kernels run without a GPU, slowly.

    Returns:
      [k, m], undefined for the queries that failed; and these.
    """
    scores, features, norms = _gather_items(scores, features, group)

    def one_block(block: tuple[Array, Array]) -> tuple[Float[Array, "b k"], Bool[Array, " b"]]:
        queries, self_index = block
        products = _multiply(query_features[queries], features, precision)
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

    blocks = group.queries.reshape(-1, plan.block), group.self_index.reshape(-1, plan.block)
    sums, failed = jax.lax.map(one_block, blocks)
    valid = jnp.arange(plan.queries) < group.query_count
    failed = failed.ravel() & valid
    out = _write(out, query_scores, group.queries, valid, sums.reshape(plan.queries, -1), ranks)
    return out, Failures(failed, jnp.any(failed))


@jax.jit
def smooth_again(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    group: DeviceGroup,
    ranks: Int[Array, " k"],
    failed: Bool[Array, " q"],
) -> Float[Array, "k m"]:
    """Smooths the queries that failed, without thresholds; arguments as of `smooth_group`."""
    scores, features, norms = _gather_items(scores, features, group)
    columns = len(norms)
    longest = jnp.sqrt(jnp.max(jnp.where(jnp.isfinite(norms), norms, 0)))
    rows = min(max(REDONE_VALUES // columns, ROW_STEP), REDONE_ROWS, len(failed))

    def smooth_few(state: tuple[Array, Array]) -> tuple[Array, Array]:
        out, failed = state
        (which,) = jnp.nonzero(failed, size=rows, fill_value=len(failed))
        valid, position = which < len(failed), jnp.minimum(which, len(failed) - 1)
        queries, self_index = group.queries[position], group.self_index[position]
        q = query_features[queries]
        near = norms[None, :] + _multiply(q, features, jax.lax.Precision.HIGHEST)
        near = jnp.where(self_index[:, None] == jnp.arange(columns)[None, :], jnp.inf, near)
        near, padded_scores = pad_columns(near, scores)
        low, high = bounds(q, longest)
        total = group.row_count - (self_index >= 0).astype(jnp.int32)
        brackets = select(near, ranks, low, high, total)
        sums = sum_below(near, padded_scores, ranks, brackets).T
        out = _write(out, query_scores, queries, valid, sums, ranks)
        return out, failed.at[which].set(False, mode="drop")

    return jax.lax.while_loop(lambda state: jnp.any(state[1]), smooth_few, (out, failed))[0]


def _gather_items(
    scores: Float[Array, " n"], features: Float[Array, "n d"], group: DeviceGroup
) -> tuple[Float[Array, " r"], Float[Array, "r d"], Float[Array, " r"]]:
    """Gathers a group's scores, features and squared norms, infinite in the padding."""
    features = features[group.rows]
    norms = jnp.sum(features**2, axis=1)
    valid = jnp.arange(len(norms)) < group.row_count
    return scores[group.rows], features, jnp.where(valid, norms, jnp.inf)


def _multiply(
    q: Float[Array, "b d"], features: Float[Array, "r d"], precision: Any
) -> Float[Array, "b r"]:
    """Computes -2 q.x."""
    over_features = (((1,), (1,)), ((), ()))
    return jax.lax.dot_general(
        -2 * q, features, over_features, precision, preferred_element_type=jnp.float32
    )


def _write(
    out: Float[Array, "k m"],
    query_scores: Float[Array, " m"],
    queries: Int[Array, " q"],
    valid: Bool[Array, " q"],
    sums: Float[Array, "q k"],
    ranks: Int[Array, " k"],
) -> Float[Array, "k m"]:
    """Writes the means of valid queries from the sums of their neighbours' scores."""
    means = (query_scores[queries][None, :] + sums.T) / (ranks[:, None] + 1).astype(sums.dtype)
    number, m = jnp.arange(len(queries), dtype=jnp.int32), out.shape[1]
    column = jnp.where(valid, queries, m + number)  # others are out of bounds
    return out.at[:, column].set(means, mode="drop", unique_indices=True)
