"""The K nearest of each row without sorting: a threshold found by counting.

A threshold with exactly `rank` values below it is all that a mean over the nearest needs. It is
found by counting how many values lie below a few pivots at once and moving the pivots: first to
where a sample of the columns puts them, then by interpolation, at last by halving the floats' bits,
so that the search ends at two neighbouring floats at the latest. The values between those are
equal, and share what is left of the rank. Nothing of size rows x K is made.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

LANES = 64  # columns of a tile
TALL = 255  # rows of a tile at most, so that a count fits in a byte
PIVOTS = 4  # counts are the bytes of one int32: on CPU four pivots take 1.2 times one pivot's time
SAMPLE = 16  # one in so many columns makes the first bracket
SAMPLE_PASSES = 3
EARLY = 3  # passes over all rows; about one row in ten is open then, and those are copied together
FEW = 8  # so many times fewer rows in a copy
SAFE = 6  # passes by interpolation, after which every other pass halves bits
PASSES = 200  # bits need 2 * 32 / log2(5) after that; a guard against NaN under `jit`


class How(NamedTuple):
    """What suits a kind of device."""

    pivots: int  # counted in one pass
    packed: bool
    copies: bool  # whether rows still open are copied together
    axis: str | None = None


ON_CPU = How(PIVOTS, packed=True, copies=True)
# A pass waits for memory and not for comparisons. Rows taken out of a block are compiled for TPUs
# to a gather from each of 31 parts of it, and go through memory more often than all others would.
ON_ACCELERATOR = How(8, packed=False, copies=False)


class Bracket(NamedTuple):
    """Two thresholds a row, with below_low <= rank <= below_high values strictly below them."""

    low: Float[Array, " m"]
    high: Float[Array, " m"]
    below_low: Int[Array, " m"]
    below_high: Int[Array, " m"]


def padded_columns(columns: int) -> int:
    """Columns after padding to whole tiles of equal height."""
    number = -(-columns // (TALL * LANES))
    return -(-columns // (number * LANES)) * number * LANES


def count_below(values: Float[Array, "m n"], pivots: Float[Array, "m p"]) -> Int[Array, "m p"]:
    """Counts each row's values below each of PIVOTS pivots, in one pass over the values.

    On CPU one pivot counted so takes what a float sum of comparisons takes, and four take 1.2 times
    that; packing them in floats takes 3 times for three. Constants are chosen by `where`: sums of
    converted booleans took 2.5 times as long.
    """
    m, n = values.shape
    tile = values.reshape(m, -(-n // (TALL * LANES)), -1, LANES)
    packed = jnp.zeros((), jnp.int32)
    for p in range(PIVOTS):
        packed += jnp.where(tile < pivots[:, p, None, None, None], jnp.int32(1 << (8 * p)), 0)
    packed = packed.sum(2, dtype=jnp.int32)  # the highest byte wraps into the sign, and back below
    counts = [((packed >> (8 * p)) & 255).sum((1, 2), dtype=jnp.int32) for p in range(PIVOTS)]
    return jnp.stack(counts, axis=1)


def count_plainly(values: Float[Array, "m n"], pivots: Float[Array, "m p"]) -> Int[Array, "m p"]:
    """`count_below` for accelerators and any number of pivots.

    XLA joins the comparisons in one pass; compiled for v5e, the tiles of the other form are a copy,
    three times the bytes and a second block of memory.
    """
    below = [(values < pivots[:, p, None]).sum(1, dtype=jnp.int32) for p in range(pivots.shape[1])]
    return jnp.stack(below, axis=1)


def select(
    values: Float[Array, "m n"],
    rank: Int[Array, ""],
    low: Float[Array, " m"],
    high: Float[Array, " m"],
    total: Int[Array, " m"],
    *,
    axis: str | None = None,
    sample: int | None = None,
) -> Bracket:
    """Finds where exactly `rank` of each row's values end.

    Args:
      values: [m, n], n as `padded_columns` gives; infinite where there is none. In an order
        without a pattern: the first n / SAMPLE columns are taken for a sample.
      rank: how many values are wanted, at most `total`.
      low: [m] a bound with no value below it.
      high: [m] a bound with all finite values below it.
      total: [m] how many values are finite.
      axis: a mesh axis whose devices hold further columns of the same rows; the other arguments
        are equal on all of them, `total` counts over all. None: the rows are here whole.
      sample: columns at the front that are a fair sample of `total` values, of which some from
        `high` on may be left out here; None: n / SAMPLE.

    Returns:
      A closed bracket: one of the thresholds has `rank` values below it, or all values from low up
      to high are equal.
    """

    def by(how: How) -> Callable[..., Bracket]:
        return functools.partial(_select, how=how._replace(axis=axis), first=sample)

    return jax.lax.platform_dependent(
        values, rank, low, high, total, cpu=by(ON_CPU), default=by(ON_ACCELERATOR)
    )


def weigh(values: Float[Array, "m n"], rank: Int[Array, ""], bracket: Bracket) -> Num[Array, "m n"]:
    """Weight of each value in a sum over the `rank` smallest; equal ones at the end share."""
    low, high, below_low, below_high = bracket
    share = (rank - below_low) / jnp.maximum(below_high - below_low, 1).astype(values.dtype)
    inside = jnp.where(values < high[:, None], share[:, None], 0)
    return jnp.where(values < low[:, None], 1, inside)


def _select(
    values: Float[Array, "m n"],
    rank: Int[Array, ""],
    low: Float[Array, " m"],
    high: Float[Array, " m"],
    total: Int[Array, " m"],
    how: How,
    first: int | None = None,
) -> Bracket:
    """`select` for one kind of device."""
    m, n = values.shape
    whole = Bracket(low, high, jnp.zeros_like(total), total)
    rows = n // LANES
    if first is None:
        first = padded_columns(max(4, -(-rows // SAMPLE)) * LANES)
        if first * 4 > n:
            return _narrow(values, rank, whole, jnp.zeros((m, how.pivots), values.dtype), 0, how)
    # Ranks in the sample, two standard deviations to either side of the wanted one.
    sample = values[:, :first]
    count = _over(how.axis, jnp.isfinite(sample).sum(1, dtype=jnp.int32))
    share = rank / jnp.maximum(total, 1).astype(values.dtype)
    spread = 1.5 * jnp.sqrt(count * share * (1 - share)) + 0.5
    start = whole._replace(below_high=count)
    left, right = (
        _estimate(sample, jnp.clip(count * share + sign * spread, 0, count), start, how)
        for sign in (-1, 1)
    )
    steps = jnp.arange(how.pivots, dtype=values.dtype)[None, :] / (how.pivots - 1)
    pivots = left[:, None] + (right - left)[:, None] * steps
    return _narrow(values, rank, whole, pivots, -1, how)


def _estimate(
    sample: Float[Array, "m n"], rank: Float[Array, " m"], bracket: Bracket, how: How
) -> Float[Array, " m"]:
    """About where a rank lies: a few passes over a sample."""

    def step(_, bracket: Bracket) -> Bracket:
        return _tighten(sample, rank, bracket, _interpolated(rank, bracket, how.pivots), how)

    low, high, below_low, below_high = jax.lax.fori_loop(0, SAMPLE_PASSES, step, bracket)
    gap = jnp.maximum(below_high - below_low, 1)
    return low + (high - low) * ((rank - below_low) / gap)


def _narrow(
    values: Float[Array, "m n"],
    rank: Int[Array, ""],
    bracket: Bracket,
    pivots: Float[Array, "m p"],
    begin: int,
    how: How,
) -> Bracket:
    """Tightens brackets until all are closed; pass -1 tries the pivots given."""

    def run(values: Array, bracket: Bracket, begin: int, end: int) -> Bracket:
        def going(state: tuple[Array, Bracket]) -> Array:
            return (state[0] < end) & jnp.any(_is_open(rank, state[1]))

        def step(state: tuple[Array, Bracket]) -> tuple[Array, Bracket]:
            i, bracket = state
            tried = jnp.where(
                (i >= SAFE) & (i % 2 == 0),
                _halved(bracket, how.pivots),
                _interpolated(rank, bracket, how.pivots),
            )
            return i + 1, _tighten(values, rank, bracket, tried, how)

        return jax.lax.while_loop(going, step, (jnp.asarray(begin), bracket))[1]

    if begin < 0:
        bracket = _tighten(values, rank, bracket, pivots, how)
    few = len(values) // FEW
    if few == 0 or not how.copies:
        return run(values, bracket, 0, PASSES)
    bracket = run(values, bracket, 0, EARLY)

    def finish(state: tuple[Array, Bracket]) -> tuple[Array, Bracket]:
        i, bracket = state
        rows = jax.lax.top_k(_is_open(rank, bracket).astype(jnp.int32), few)[1]
        part = run(values[rows], Bracket(*(x[rows] for x in bracket)), EARLY, PASSES)
        return i + 1, Bracket(*(x.at[rows].set(y) for x, y in zip(bracket, part)))

    # Bounded: after one round each the rows are closed, or hold NaN under `jit`.
    return jax.lax.while_loop(
        lambda state: (state[0] <= 2 * FEW) & jnp.any(_is_open(rank, state[1])),
        finish,
        (jnp.asarray(0), bracket),
    )[1]


def _over(axis: str | None, counts: Int[Array, "..."]) -> Int[Array, "..."]:
    """Counts over all devices: they add up, so that no value ever leaves its device."""
    return counts if axis is None else jax.lax.psum(counts, axis)


def _is_open(rank: Array, bracket: Bracket) -> Bool[Array, " m"]:
    """Neither threshold has the rank, and there are floats between them."""
    low, high, below_low, below_high = bracket
    return (below_low < rank) & (rank < below_high) & (_bits(high) - 1 > _bits(low))


def _tighten(
    values: Float[Array, "m n"],
    rank: Array,
    bracket: Bracket,
    pivots: Float[Array, "m p"],
    how: How,
) -> Bracket:
    """Counts below the pivots and keeps the tightest thresholds around the rank."""
    low, high, below_low, below_high = bracket
    # Strictly inside, by bits, so that every pass makes some way.
    inside = jnp.clip(_bits(pivots), _bits(low)[:, None] + 1, _bits(high)[:, None] - 1)
    pivots = _floats(jnp.maximum(inside, _bits(low)[:, None]), pivots.dtype)
    count = count_below if how.packed else count_plainly
    counts = _over(how.axis, count(values, pivots))
    for p in range(how.pivots):
        pivot, count = pivots[:, p], counts[:, p]
        lower, upper = (count <= rank) & (pivot >= low), (count >= rank) & (pivot <= high)
        low, below_low = jnp.where(lower, pivot, low), jnp.where(lower, count, below_low)
        high, below_high = jnp.where(upper, pivot, high), jnp.where(upper, count, below_high)
    return Bracket(low, high, below_low, below_high)


def _interpolated(rank: Array, bracket: Bracket, number: int) -> Float[Array, "m p"]:
    """Pivots about where the rank lies on the line between the thresholds.

    As wide as values in no order would scatter around the line, but never so near to a threshold
    that little is won where few values are left.
    """
    low, high, below_low, below_high = bracket
    gap = jnp.maximum(below_high - below_low, 1).astype(low.dtype)
    share = jnp.clip((rank - below_low) / gap, 0, 1)
    spread = 2 * jnp.sqrt(share * (1 - share) / gap) + 0.05
    left = jnp.maximum(share - spread, 0.4 * share)
    right = jnp.minimum(share + spread, 1 - 0.4 * (1 - share))
    steps = jnp.arange(number, dtype=low.dtype)[None, :] / (number - 1)
    at = left[:, None] + (right - left)[:, None] * steps
    return low[:, None] + (high - low)[:, None] * at


def _halved(bracket: Bracket, number: int) -> Float[Array, "m p"]:
    """Pivots that part the floats between the thresholds into parts of equal number."""
    low, high = _bits(bracket.low), _bits(bracket.high)
    unsigned = jnp.uint32 if low.dtype == jnp.int32 else jnp.uint64
    part = (high.astype(unsigned) - low.astype(unsigned)) // (number + 1)  # wraps rightly
    steps = jnp.arange(1, number + 1, dtype=unsigned)[None, :]
    return _floats((low.astype(unsigned)[:, None] + part[:, None] * steps).astype(low.dtype),
                   bracket.low.dtype)  # fmt: skip


def _bits(x: Float[Array, "..."]) -> Int[Array, "..."]:
    """Integers in the same order as the floats."""
    kind = jnp.int32 if x.dtype.itemsize == 4 else jnp.int64
    bits = jax.lax.bitcast_convert_type(x, kind)
    return jnp.where(bits < 0, bits ^ jnp.iinfo(kind).max, bits)


def _floats(bits: Int[Array, "..."], dtype: jnp.dtype) -> Float[Array, "..."]:
    """Undoes `_bits`."""
    bits = jnp.where(bits < 0, bits ^ jnp.iinfo(bits.dtype).max, bits)
    return jax.lax.bitcast_convert_type(bits, dtype)
