"""The nearest of each query on a TPU: a product that keeps the least distances of every bin.

A TPU cannot write single values of a row, and it reads a block of distances that leaves the chip
again in every counting pass. So a Pallas kernel assigns each item to a bin, multiplies tile by
tile, and keeps on the chip the few least distances of each bin with their items' scores. The K
nearest are then selected from those alone.

The result is exact. Items are in pseudo-random order, so a bin rarely holds more of the K nearest
than it keeps. If it may have lost one, because its last kept distance lies below the threshold,
the row is computed again from all distances.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pl_tpu
from jaxtyping import Array, Float, Int

from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.kth_threshold import select
from jax_dns.smoothing.engine.neighbor_means import selection_weights

TILE, FOLD = 512, 4  # bins that are filled at once; items of each that are multiplied at once
TILE_ROWS = 8  # rows whose bins are in registers at once
DEPTH = 4  # distances that are kept of a bin
FAILING = 1 / 400  # rows that are computed again, at most, if few distances are equal
ROWS = (512, 256, 128, 64)  # queries that the kernel works on at once
MIN_DROPPED = 4  # items for each distance that is kept: below, whole blocks may stay on the chip
VMEM, MOST_VMEM = 96 * 2**20, 120 * 2**20  # bytes for the kernel's results, and in all
REDONE_SHARE = 128  # one row in this many of a block is computed again at once


class BinPlan(NamedTuple):
    """Says how many bins the kernel has and how many queries it takes at once."""

    bins: int
    rows: int  # queries
    interpret: bool = False  # whether to run without a TPU, slowly

    @property
    def kept(self) -> int:
        """Distances that are kept of a row."""
        return DEPTH * self.bins


class Kept(NamedTuple):
    """The least distances of each bin, tile after tile of bins, and in a tile rank after rank."""

    values: Float[Array, "m s"]  # infinite where a bin has fewer
    scores: Float[Array, "m s"]


class Items(NamedTuple):
    """A device's candidates."""

    features: Float[Array, "n d"]
    norms: Float[Array, " n"]  # |x|^2, infinite in columns that hold no item
    scores: Float[Array, " n"]


def has_kernel(kind: str) -> bool:
    """Returns whether a kind of device is a TPU with 128 MiB on the chip: v5e and v6e."""
    return kind.startswith("TPU") and "lite" in kind


def plan_columns(
    columns: int, k: int, dtype: jnp.dtype, *, devices: int = 1, kind: str
) -> tuple[int, BinPlan | None]:
    """Returns the padded number of columns, and the kernel's plan or None (see `plan_bins`)."""
    plan = plan_bins(columns, k, devices=devices, kind=kind) if dtype == jnp.float32 else None
    tiles = -(-columns // (FOLD * TILE))
    return (columns if plan is None else tiles * FOLD * TILE), plan


def plan_bins(columns: int, k: int, *, devices: int, kind: str) -> BinPlan | None:
    """Chooses the kernel's sizes; None where it doesn't pay or there is no such TPU.

    The nearest that a bin holds are Poisson distributed in number: the sum over all bins of the
    chance to hold more than DEPTH is kept below FAILING.

    Args:
      columns: items on each device.
      k: the largest K.
      devices: that the items are spread over.
      kind: `device_kind`.
    """
    if not has_kernel(kind):
        return None
    bins = TILE
    while (
        devices * bins * (k / (devices * bins)) ** (DEPTH + 1) / math.factorial(DEPTH + 1) > FAILING
        or padded_columns(DEPTH * bins) != DEPTH * bins
    ):
        bins += TILE
    # Results are held twice, while those of the next queries are started.
    rows = next((x for x in ROWS if 2 * 2 * 4 * x * DEPTH * bins <= VMEM), None)
    if rows is None or MIN_DROPPED * DEPTH * bins > columns:
        return None
    return BinPlan(bins, rows)


def redone_rows(m: int) -> int:
    """Returns how many of m queries are computed again at once."""
    return min(m, max(TILE_ROWS, m // REDONE_SHARE))


def cost_of_bins(m: int, n: int, d: int, plan: BinPlan) -> pl.CostEstimate:
    """Counts what the kernel does for m queries and n items: the items are read for each block."""
    read = m // plan.rows * n * (d + 2) + m * (d + 1)
    return pl.CostEstimate(
        flops=m * n * (2 * d + 1 + 5 * DEPTH),
        bytes_accessed=4 * (read + 2 * m * plan.kept),
        transcendentals=0,
    )


def least_of_bins(
    queries: Float[Array, "m d"],
    items: Items,
    self_index: Int[Array, " m"],
    *,
    plan: BinPlan,
) -> Kept:
    """Keeps the DEPTH least |x|^2 - 2 q.x of each row and bin.

    Of every FOLD * TILE columns, FOLD go to each of TILE bins; the next columns to the next bins.

    Args:
      queries: [m, d], m a multiple of `plan.rows`.
      items: n a multiple of FOLD * TILE.
      self_index: [m] the column that is no candidate of the query; -1: none.
      plan: sizes.

    Returns:
      [m, DEPTH bins] twice.
    """
    (m, d), n, slots = queries.shape, len(items.scores), plan.kept
    tiles = plan.bins // TILE

    def kernel(self_ref, q_ref, x_ref, norms_ref, scores_ref, values_ref, kept_ref, near_ref):
        tile = pl.program_id(1)

        @pl.when(tile == 0)
        def _() -> None:
            values_ref[...] = jnp.full_like(values_ref, jnp.inf)
            kept_ref[...] = jnp.zeros_like(kept_ref)

        products = jax.lax.dot_general(
            -2 * q_ref[...],
            x_ref[...],
            (((1,), (1,)), ((), ())),
            precision=jax.lax.Precision.HIGHEST,
            preferred_element_type=jnp.float32,
        )
        column = tile * FOLD * TILE + jax.lax.broadcasted_iota(jnp.int32, products.shape, 1)
        near_ref[...] = jnp.where(column == self_ref[...], jnp.inf, norms_ref[...] + products)
        first = tile % tiles * (DEPTH * TILE)

        def insert(i: Array, _: None) -> None:
            rows = pl.ds(pl.multiple_of(i * TILE_ROWS, TILE_ROWS), TILE_ROWS)
            places = [
                (rows, pl.ds(pl.multiple_of(first + rank * TILE, TILE), TILE))
                for rank in range(DEPTH)
            ]
            held = [(values_ref[at], kept_ref[at]) for at in places]
            for item in range(FOLD):
                columns = slice(item * TILE, (item + 1) * TILE)
                value = near_ref[rows, columns]
                score = jnp.broadcast_to(scores_ref[:, columns], value.shape)
                for rank, (held_value, held_score) in enumerate(held):
                    less = value < held_value
                    held[rank] = (
                        jnp.where(less, value, held_value),
                        jnp.where(less, score, held_score),
                    )
                    value = jnp.where(less, held_value, value)
                    score = jnp.where(less, held_score, score)
            for at, (value, score) in zip(places, held):
                values_ref[at], kept_ref[at] = value, score

        jax.lax.fori_loop(0, plan.rows // TILE_ROWS, insert, None)

    def of_queries(width: int) -> pl.BlockSpec:
        return pl.BlockSpec((plan.rows, width), lambda i, j: (i, 0))

    of_items = pl.BlockSpec((1, FOLD * TILE), lambda i, j: (0, j))
    slotted = jax.ShapeDtypeStruct((m, slots), jnp.float32)
    kept = pl.pallas_call(
        kernel,
        out_shape=(slotted, slotted),
        grid=(m // plan.rows, n // (FOLD * TILE)),
        in_specs=[
            *(of_queries(1), of_queries(d)),
            pl.BlockSpec((FOLD * TILE, d), lambda i, j: (j, 0)),
            *(of_items, of_items),
        ],
        out_specs=(of_queries(slots), of_queries(slots)),
        scratch_shapes=[pl_tpu.VMEM((plan.rows, FOLD * TILE), jnp.float32)],
        compiler_params=pl_tpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary"), vmem_limit_bytes=MOST_VMEM
        ),
        cost_estimate=cost_of_bins(m, n, d, plan),
        interpret=plan.interpret,
        name="least_of_bins",
    )(self_index[:, None], queries, items.features, items.norms[None], items.scores[None])
    return Kept(*kept)


def sums_of_bins(
    queries: Float[Array, "m d"],
    items: Items,
    self_index: Int[Array, " m"],
    ranks: Int[Array, " k"],
    limits: tuple[Float[Array, " m"], Float[Array, " m"]],
    sum_plainly: Callable[[Int[Array, " r"]], Float[Array, "k r"]],
    *,
    plan: BinPlan,
    axis: str | None = None,
) -> Float[Array, "k m"]:
    """Sums the scores of each query's `rank` nearest items, for each of `ranks`.

    Args:
      queries: [m, d].
      items: n a multiple of FOLD * TILE, in pseudo-random order.
      self_index: [m] the column that is no candidate of the query; -1: none.
      ranks: [k], at most the number of candidates.
      limits: [m] each, `low` and `high` of `kth_threshold.select`.
      sum_plainly: numbers [r] of queries -> their sums [k, r], from all distances.
      plan: sizes.
      axis: a mesh axis whose devices hold further items; thresholds are those of all of them, sums
        are of this device's items.

    Returns:
      [k, m].
    """
    m = len(queries)
    missing = -m % plan.rows
    values, scores = least_of_bins(
        jnp.pad(queries, ((0, missing), (0, 0))),
        items,
        jnp.pad(self_index, (0, missing), constant_values=-1),
        plan=plan,
    )
    values, scores = values[:m], scores[:m]

    def over_devices(x: Array) -> Array:
        return x if axis is None else jax.lax.psum(x, axis)

    total = over_devices(jnp.isfinite(values).sum(1, dtype=jnp.int32))
    brackets = select(values, ranks, *limits, total, axis=axis)
    sums = jax.lax.map(lambda x: (selection_weights(values, *x) * scores).sum(1), (ranks, brackets))
    upper = jnp.where(brackets.below_low == ranks[:, None], brackets.low, brackets.high).max(0)
    last = values.reshape(m, -1, DEPTH, TILE)[:, :, -1]
    failed = over_devices((last < upper[:, None, None]).any((1, 2)).astype(jnp.int32)) > 0
    rows = redone_rows(m)

    def sum_few(state: tuple[Array, Array]) -> tuple[Array, Array]:
        sums, failed = state
        (which,) = jnp.nonzero(failed, size=rows, fill_value=m)
        again = sum_plainly(jnp.minimum(which, m - 1))
        return (
            sums.at[:, which].set(again, mode="drop"),
            failed.at[which].set(False, mode="drop"),
        )

    return jax.lax.while_loop(lambda state: jnp.any(state[1]), sum_few, (sums, failed))[0]
