"""Pallas kernels that select within rows of distances on a GPU (Triton).

A row of distances is |x|^2 - 2 q.x: a row of products and the items' squared norms, added as they
are read. `sample_thresholds` estimates from the first columns a threshold that somewhat more than
the K nearest pass; `compact_below` reads a row once and keeps the values below that threshold;
`sums_of_kept` and `sums_of_row` hold the values of a row in registers, and find there by
bisection where exactly K - 1 of them end.

Kernels have a program for each row, or for a part of a few rows, and every array in a kernel has a
power of two elements, as Triton requires.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pl_triton
from jaxtyping import Array, Float, Int

from jax_dns.smoothing.engine.float_bits import float_to_ordered, ordered_to_float
from jax_dns.smoothing.engine.gpu_bisect import FLOAT32, bisect, count_finite

COMPACT_ROWS, COMPACT_DEPTH, COMPACT_WARPS = 4, 4, 4  # of `compact_below`, the fastest on an H100
CHUNK = COMPACT_DEPTH * 32 * COMPACT_WARPS  # columns that it reads at once
VALUES_PER_THREAD, MOST_WARPS = 16, 8  # of a row in registers
SLACK = 32  # a sample's threshold has at most one in so many values more below it than its rank


class Kept(NamedTuple):
    """The values below each row's threshold: chunk after chunk, within a chunk thread after thread.

    Each of p parts of the columns has s / p slots for its values.
    """

    values: Float[Array, "m s"]  # undefined in a part's slots beyond its count
    columns: Int[Array, "m s"]
    counts: Int[Array, "m p"]  # values below the threshold; above s / p: some are not held


def sample_thresholds(
    products: Float[Array, "m n"],
    norms: Float[Array, " n"],
    rank: Int[Array, ""],
    *,
    sample: int,
    interpret: bool = False,
) -> Float[Array, " m"]:
    """Returns thresholds below which each row has `rank` or a few more of its first values.

    Args:
      products: [m, n] -2 q.x.
      norms: [n] |x|^2, infinite in columns that hold no item.
      rank: values of the sample that are to be below the threshold.
      sample: columns read, a power of two; they must be a fair sample of all.
      interpret: whether to run without a GPU, slowly.

    Returns:
      [m].
    """

    def kernel(rank_ref, norms_ref, products_ref, out_ref) -> None:
        values = products_ref[pl.ds(0, sample)] + norms_ref[...]
        available = count_finite(values)
        rank = jnp.minimum(rank_ref[0], available)
        bracket = bisect(float_to_ordered(values), rank, available, slack=rank // SLACK)
        reached = bracket.below_low >= rank  # then the upper threshold may lie anywhere above
        out_ref[0] = ordered_to_float(jnp.where(reached, bracket.low, bracket.high), FLOAT32)

    m, n = products.shape
    return pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((m,), jnp.float32),
        grid=(m,),
        in_specs=[_shared(1), _shared(sample), _row(n)],
        out_specs=_scalar(),
        compiler_params=_for_registers(sample),
        interpret=interpret,
        name="sample_thresholds",
    )(rank[None], norms[:sample], products)


def compact_below(
    products: Float[Array, "m n"],
    norms: Float[Array, " n"],
    thresholds: Float[Array, " m"],
    *,
    slots: int,
    parts: int = 1,
    rows: int = COMPACT_ROWS,
    depth: int = COMPACT_DEPTH,
    warps: int = COMPACT_WARPS,
    interpret: bool = False,
) -> Kept:
    """Keeps each row's values below its threshold, and their columns.

    A chunk of a row is [threads, depth]: a thread counts its own values, and positions need a
    prefix sum over the threads alone.

    Args:
      products: [m, n] -2 q.x, n a multiple of parts * depth * 32 * warps.
      norms: [n] |x|^2, infinite in columns that hold no item.
      thresholds: [m].
      slots: values that are kept of a row at most, a multiple of `parts`.
      parts: of the columns, each with a program of its own: few rows alone leave a GPU idle.
      rows: rows of a program, which share the norms read; m is a multiple of it.
      depth: values of a chunk that each thread holds of a row.
      warps: warps of a program.
      interpret: whether to run without a GPU, slowly.

    Returns:
      The values kept.
    """
    m, n = products.shape
    threads = 32 * warps
    chunk = depth * threads
    part, slots = n // parts, slots // parts

    def kernel(
        step_ref, threshold_ref, norms_ref, products_ref, values_ref, columns_ref, out_ref
    ) -> None:
        thresholds = [threshold_ref[r] for r in range(rows)]
        # The step is 1, which the compiler isn't to know: where it sees neighbouring columns it
        # gives a thread four of them, and moves all values to other threads before they are stored.
        lane = step_ref[0] * jnp.arange(threads, dtype=jnp.int32)
        place = lane[:, None] + jnp.arange(depth, dtype=jnp.int32)[None, :] * threads
        first = pl.program_id(1) * part

        def one_chunk(i: Array, counts: tuple[Array, ...]) -> tuple[Array, ...]:
            column = i * chunk + place
            norm = norms_ref[column]
            return tuple(keep(r, counts[r], column, norm) for r in range(rows))

        def keep(r: int, count: Array, column: Array, norm: Array) -> Array:
            value = products_ref[jnp.full_like(column, r), column] + norm
            passes = value < thresholds[r]
            ones = passes.astype(jnp.int32)
            totals = jnp.sum(ones, axis=1, dtype=jnp.int32)
            before = jnp.cumsum(totals) - totals + count
            slot = jnp.cumsum(ones, axis=1) - ones + before[:, None]
            fits = passes & (slot < slots)
            slot = jnp.where(fits, slot, slots) if interpret else slot  # there a race otherwise
            row = jnp.full_like(slot, r)
            pl_triton.store(values_ref.at[row, slot], value, mask=fits)
            pl_triton.store(columns_ref.at[row, slot], first + column, mask=fits)
            return count + jnp.sum(totals, dtype=jnp.int32)

        counts = jax.lax.fori_loop(0, part // chunk, one_chunk, (jnp.int32(0),) * rows)
        for r in range(rows):
            out_ref[r, 0] = counts[r]

    def of_part(size: int) -> pl.BlockSpec:
        return pl.BlockSpec((rows, size), lambda i, j: (i, j))

    return Kept(
        *pl.pallas_call(
            kernel,
            out_shape=(
                jax.ShapeDtypeStruct((m, parts * slots), jnp.float32),
                jax.ShapeDtypeStruct((m, parts * slots), jnp.int32),
                jax.ShapeDtypeStruct((m, parts), jnp.int32),
            ),
            grid=(m // rows, parts),
            in_specs=[
                pl.BlockSpec((1,), lambda i, j: (0,)),
                pl.BlockSpec((rows,), lambda i, j: (i,)),
                pl.BlockSpec((part,), lambda i, j: (j,)),
                of_part(part),
            ],
            out_specs=(of_part(slots), of_part(slots), of_part(1)),
            compiler_params=pl_triton.CompilerParams(num_warps=warps, num_stages=1),
            interpret=interpret,
            name="compact_below",
        )(jnp.ones(1, jnp.int32), thresholds, norms, products)
    )


def sums_of_kept(
    kept: Kept,
    self_index: Int[Array, " m"],
    scores: Float[Array, " n"],
    ranks: Int[Array, " k"],
    *,
    interpret: bool = False,
) -> Float[Array, "m k"]:
    """Sums the scores of each row's `rank` smallest kept values, for each of `ranks`.

    Equal values at the end share what is left of the rank.

    Args:
      kept: a power of two slots and of parts; rows that hold fewer than a rank, or had more than
        their slots, give sums without a meaning.
      self_index: [m] the column that is the query itself, or -1.
      scores: [n].
      ranks: [k].
      interpret: whether to run without a GPU, slowly.

    Returns:
      [m, k].
    """
    (m, slots), parts = kept.values.shape, kept.counts.shape[1]

    def kernel(
        ranks_ref, self_ref, count_ref, scores_ref, values_ref, columns_ref, out_ref
    ) -> None:
        slot = jnp.arange(slots, dtype=jnp.int32)
        part = slot >> (slots // parts).bit_length() - 1
        valid = (slot & slots // parts - 1) < count_ref[part]
        column = jnp.where(valid, columns_ref[...], 0)
        valid &= column != self_ref[0]
        values = jnp.where(valid, values_ref[...], jnp.inf)
        score = pl_triton.load(scores_ref.at[column], mask=valid, other=0.0)
        _write_sums(values, score, ranks_ref, out_ref, len(ranks))

    return pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((m, len(ranks)), jnp.float32),
        grid=(m,),
        in_specs=[
            *(_shared(len(ranks)), _scalar(), _row(parts), _shared(len(scores))),
            *(_row(slots), _row(slots)),
        ],
        out_specs=_row(len(ranks)),
        compiler_params=_for_registers(slots),
        interpret=interpret,
        name="sums_of_kept",
    )(ranks, self_index, kept.counts, scores, kept.values, kept.columns)


def sums_of_row(
    products: Float[Array, "m n"],
    norms: Float[Array, " n"],
    self_index: Int[Array, " m"],
    scores: Float[Array, " n"],
    ranks: Int[Array, " k"],
    *,
    interpret: bool = False,
) -> Float[Array, "m k"]:
    """Sums the scores of each row's `rank` smallest values, from rows that fit in registers.

    Args:
      products: [m, n] -2 q.x, n a power of two.
      norms: [n] |x|^2, infinite in columns that hold no item.
      self_index: [m] the column that is the query itself, or -1.
      scores: [n].
      ranks: [k], each at most the number of candidates.
      interpret: whether to run without a GPU, slowly.

    Returns:
      [m, k].
    """
    m, n = products.shape

    def kernel(ranks_ref, self_ref, norms_ref, scores_ref, products_ref, out_ref) -> None:
        values = products_ref[...] + norms_ref[...]
        valid = (values < jnp.inf) & (jnp.arange(n, dtype=jnp.int32) != self_ref[0])
        values = jnp.where(valid, values, jnp.inf)
        _write_sums(values, scores_ref[...], ranks_ref, out_ref, len(ranks))

    return pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((m, len(ranks)), jnp.float32),
        grid=(m,),
        in_specs=[_shared(len(ranks)), _scalar(), _shared(n), _shared(n), _row(n)],
        out_specs=_row(len(ranks)),
        compiler_params=_for_registers(n),
        interpret=interpret,
        name="sums_of_row",
    )(ranks, self_index, norms, scores, products)


def _write_sums(values, scores, ranks_ref, out_ref, number: int) -> None:
    bits, count = float_to_ordered(values), count_finite(values)
    for k in range(number):
        rank = ranks_ref[k]
        low, high, below_low, below_high = bisect(bits, rank, count)
        tied = jnp.maximum(below_high - below_low, 1).astype(jnp.float32)
        share = (rank - below_low).astype(jnp.float32) / tied
        weight = jnp.where(bits < low, 1.0, jnp.where(bits < high, share, 0.0))
        out_ref[k] = jnp.sum(weight * scores)


def _scalar() -> pl.BlockSpec:
    """One element for each row."""
    return pl.BlockSpec((1,), lambda i: (i,))


def _row(size: int) -> pl.BlockSpec:
    """One row of an array [m, size]."""
    return pl.BlockSpec((None, size), lambda i: (i, 0))


def _shared(size: int) -> pl.BlockSpec:
    """The same elements for all rows."""
    return pl.BlockSpec((size,), lambda i: (0,))


def _for_registers(size: int) -> pl_triton.CompilerParams:
    warps = min(max(size // (32 * VALUES_PER_THREAD), 1), MOST_WARPS)
    return pl_triton.CompilerParams(num_warps=warps, num_stages=1)
