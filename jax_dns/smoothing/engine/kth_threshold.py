"""The K nearest of each row without sorting: a threshold found by counting.

A threshold with exactly `rank` values below it is all that a mean over the nearest needs. It is
found by counting how many values lie below a few pivots at once and moving the pivots: first to
where a sample of the columns puts them, then by interpolation, at last by halving the floats' bits,
so that the search ends at two neighbouring floats at the latest. The values between those are
equal, and share what is left of the rank. Nothing of size rows x K is made. Several ranks of the
same rows are sought together.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine.counting import (
    LANES,
    PIVOTS,
    count_below,
    count_plainly,
    padded_columns,
)

SAMPLE = 16  # one in so many columns makes the first bracket
SAMPLE_PASSES = 3
EARLY = 3  # passes over all rows; about one row in ten is open then, and those are copied together
FEW = 8  # so many times fewer rows in a copy
SAFE = 6  # passes by interpolation, after which every other pass halves bits
PASSES = 200  # bits need 2 * 32 / log2(5) after that; a guard against NaN under `jit`


class BackendParams(NamedTuple):
    """What suits a kind of device."""

    pivots: int  # counted in one pass
    packed: bool
    copies: bool  # whether rows still open are copied together
    axis: str | None = None


ON_CPU = BackendParams(PIVOTS, packed=True, copies=True)
# A pass waits for memory and not for comparisons. Rows taken out of a block are compiled for TPUs
# to a gather from each of 31 parts of it, and go through memory more often than all others would.
ON_ACCELERATOR = BackendParams(8, packed=False, copies=False)


class Bracket(NamedTuple):
    """For each rank two thresholds a row: below_low <= rank <= below_high values lie below them."""

    low: Float[Array, "*k m"]
    high: Float[Array, "*k m"]
    below_low: Int[Array, "*k m"]
    below_high: Int[Array, "*k m"]


def select(
    values: Float[Array, "m n"],
    ranks: Int[Array, " k"],
    low: Float[Array, " m"],
    high: Float[Array, " m"],
    total: Int[Array, " m"],
    *,
    axis: str | None = None,
    sample: Float[Array, "m s"] | None = None,
) -> Bracket:
    """Finds where exactly `rank` of each row's values end, for each of `ranks`.

    Args:
      values: [m, n], n as `padded_columns` gives; infinite where there is none. In an order
        without a pattern, unless there is a `sample`.
      ranks: [k] how many values are wanted, at most `total`.
      low: [m] a bound with no value below it.
      high: [m] a bound with all finite values below it.
      total: [m] how many values are finite.
      axis: a mesh axis whose devices hold further columns of the same rows; the other arguments
        are equal on all of them, `total` counts over all. None: the rows are here whole.
      sample: [m, s] a fair sample of `total` values, of which `values` may lack some from a limit
        on; s as `padded_columns` gives. None: the first n / SAMPLE columns.

    Returns:
      Closed brackets [k, m]: one of the thresholds has `rank` values below it, or all values from
      low up to high are equal.
    """

    def by(how: BackendParams) -> Callable[..., Bracket]:
        return functools.partial(_select, how=how._replace(axis=axis))

    return jax.lax.platform_dependent(
        values, ranks, low, high, total, sample, cpu=by(ON_CPU), default=by(ON_ACCELERATOR)
    )


def _select(
    values: Float[Array, "m n"],
    ranks: Int[Array, " k"],
    low: Float[Array, " m"],
    high: Float[Array, " m"],
    total: Int[Array, " m"],
    sample: Float[Array, "m s"] | None = None,
    *,
    how: BackendParams,
) -> Bracket:
    """`select` for one kind of device."""
    k, (m, n) = len(ranks), values.shape
    rank = ranks[:, None]

    def for_each(x: Array) -> Array:
        return jnp.broadcast_to(x, (k, m))

    whole = Bracket(*map(for_each, (low, high, jnp.zeros_like(total), total)))
    if sample is None:
        first = padded_columns(max(4, -(-(n // LANES) // SAMPLE)) * LANES)
        if first * 4 > n:
            return _narrow(values, rank, whole, None, how)
        sample = values[:, :first]
    # Ranks in the sample, two standard deviations to either side of the wanted one.
    count = for_each(_over(how.axis, jnp.isfinite(sample).sum(1, dtype=jnp.int32)))
    share = rank / jnp.maximum(whole.below_high, 1).astype(values.dtype)
    spread = 1.5 * jnp.sqrt(count * share * (1 - share)) + 0.5
    ends = tuple(jnp.clip(count * share + sign * spread, 0, count) for sign in (-1, 1))
    left, right = _estimate(sample, ends, whole._replace(below_high=count), how)
    steps = jnp.arange(how.pivots, dtype=values.dtype)[None, None, :] / (how.pivots - 1)
    pivots = left[..., None] + (right - left)[..., None] * steps
    return _narrow(values, rank, whole, pivots, how)


def _estimate(
    sample: Float[Array, "m n"],
    ends: tuple[Float[Array, "k m"], ...],
    bracket: Bracket,
    how: BackendParams,
) -> list[Float[Array, "k m"]]:
    """About where two ranks lie that are near to each other: a few passes over a sample."""

    def step(_, brackets: tuple[Bracket, ...]) -> tuple[Bracket, ...]:
        half = how.pivots // 2
        pivots = [_interpolated(rank, b, half) for rank, b in zip(ends, brackets)]
        pivots, counts = _count(sample, jnp.concatenate(pivots, axis=2), bracket, how)
        return tuple(_keep(rank, b, pivots, counts) for rank, b in zip(ends, brackets))

    def at(rank: Array, bracket: Bracket) -> Array:
        low, high, below_low, below_high = bracket
        gap = jnp.maximum(below_high - below_low, 1)
        return low + (high - low) * ((rank - below_low) / gap)

    brackets = jax.lax.fori_loop(0, SAMPLE_PASSES, step, (bracket, bracket))
    return [at(rank, b) for rank, b in zip(ends, brackets)]


def _narrow(
    values: Float[Array, "m n"],
    rank: Int[Array, "k 1"],
    bracket: Bracket,
    pivots: Float[Array, "k m p"] | None,
    how: BackendParams,
) -> Bracket:
    """Tightens brackets until all are closed, beginning with the pivots where they are given."""

    def run(
        values: Array, rank: Array, bracket: Bracket, begin: int, end: int, given: Array | None
    ) -> Bracket:
        def going(state: tuple[Array, Bracket]) -> Array:
            return (state[0] < end) & jnp.any(_is_open(rank, state[1]))

        def step(state: tuple[Array, Bracket]) -> tuple[Array, Bracket]:
            i, bracket = state
            tried = jnp.where(
                (i >= SAFE) & (i % 2 == 0),
                _halved(bracket, how.pivots),
                _interpolated(rank, bracket, how.pivots),
            )
            tried = tried if given is None else jnp.where(i < 0, given, tried)
            return i + 1, _tighten(values, rank, bracket, tried, how)

        return jax.lax.while_loop(going, step, (jnp.asarray(begin), bracket))[1]

    begin, few = 0 if pivots is None else -1, len(values) // FEW
    if few == 0 or not how.copies:
        return run(values, rank, bracket, begin, PASSES, pivots)
    bracket = run(values, rank, bracket, begin, EARLY, pivots)
    ranks, bracket = jnp.broadcast_to(rank, bracket.low.shape).ravel(), _each(jnp.ravel, bracket)

    def finish(state: tuple[Array, Bracket]) -> tuple[Array, Bracket]:
        i, bracket = state
        which = jax.lax.top_k(_is_open(ranks, bracket).astype(jnp.int32), few)[1]
        part = _each(lambda x: x[which][None, :], bracket)
        part = run(values[which % len(values)], ranks[which][None, :], part, EARLY, PASSES, None)
        return i + 1, Bracket(*(x.at[which].set(y[0]) for x, y in zip(bracket, part)))

    # Bounded: after one round each the rows are closed, or hold NaN under `jit`.
    closed = jax.lax.while_loop(
        lambda state: (state[0] <= 2 * FEW * len(rank)) & jnp.any(_is_open(ranks, state[1])),
        finish,
        (jnp.asarray(0), bracket),
    )[1]
    return _each(lambda x: x.reshape(len(rank), -1), closed)


def _each(function: Callable[[Array], Array], bracket: Bracket) -> Bracket:
    return Bracket(*map(function, bracket))


def _over(axis: str | None, counts: Int[Array, "..."]) -> Int[Array, "..."]:
    """Counts over all devices: they add up, so that no value ever leaves its device."""
    return counts if axis is None else jax.lax.psum(counts, axis)


def _is_open(rank: Array, bracket: Bracket) -> Bool[Array, "*k m"]:
    """Neither threshold has the rank, and there are floats between them."""
    low, high, below_low, below_high = bracket
    return (below_low < rank) & (rank < below_high) & (_bits(high) - 1 > _bits(low))


def _tighten(
    values: Float[Array, "m n"],
    rank: Array,
    bracket: Bracket,
    pivots: Float[Array, "k m p"],
    how: BackendParams,
) -> Bracket:
    """One pass: counts below the pivots, and keeps the tightest thresholds around the rank."""
    return _keep(rank, bracket, *_count(values, pivots, bracket, how))


def _count(
    values: Float[Array, "m n"], pivots: Float[Array, "k m p"], bracket: Bracket, how: BackendParams
) -> tuple[Float[Array, "k m p"], Int[Array, "k m p"]]:
    """Pivots, now strictly inside of the bracket, and how many values lie below each."""
    low, high = _bits(bracket.low)[..., None], _bits(bracket.high)[..., None]
    # By bits, so that every pass makes some way.
    pivots = _floats(jnp.maximum(jnp.clip(_bits(pivots), low + 1, high - 1), low), pivots.dtype)
    count = count_below if how.packed else count_plainly
    # One rank after another: all in one sum took three times as long on CPU.
    counts = jax.lax.map(lambda tried: count(values, tried), pivots)
    return pivots, _over(how.axis, counts)


def _keep(
    rank: Array, bracket: Bracket, pivots: Float[Array, "k m p"], counts: Int[Array, "k m p"]
) -> Bracket:
    """The tightest thresholds around the rank."""
    low, high, below_low, below_high = bracket
    for p in range(pivots.shape[2]):
        pivot, count = pivots[..., p], counts[..., p]
        lower, upper = (count <= rank) & (pivot >= low), (count >= rank) & (pivot <= high)
        low, below_low = jnp.where(lower, pivot, low), jnp.where(lower, count, below_low)
        high, below_high = jnp.where(upper, pivot, high), jnp.where(upper, count, below_high)
    return Bracket(low, high, below_low, below_high)


def _interpolated(rank: Array, bracket: Bracket, number: int) -> Float[Array, "k m p"]:
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
    steps = jnp.arange(number, dtype=low.dtype)[None, None, :] / (number - 1)
    at = left[..., None] + (right - left)[..., None] * steps
    return low[..., None] + (high - low)[..., None] * at


def _halved(bracket: Bracket, number: int) -> Float[Array, "k m p"]:
    """Pivots that part the floats between the thresholds into parts of equal number."""
    low, high = _bits(bracket.low), _bits(bracket.high)
    unsigned = jnp.uint32 if low.dtype == jnp.int32 else jnp.uint64
    part = (high.astype(unsigned) - low.astype(unsigned)) // (number + 1)  # wraps rightly
    steps = jnp.arange(1, number + 1, dtype=unsigned)[None, None, :]
    return _floats(
        (low.astype(unsigned)[..., None] + part[..., None] * steps).astype(low.dtype),
        bracket.low.dtype,
    )


def _bits(x: Float[Array, "..."]) -> Int[Array, "..."]:
    """Integers in the same order as the floats."""
    kind = jnp.int32 if x.dtype.itemsize == 4 else jnp.int64
    bits = jax.lax.bitcast_convert_type(x, kind)
    return jnp.where(bits < 0, bits ^ jnp.iinfo(kind).max, bits)


def _floats(bits: Int[Array, "..."], dtype: jnp.dtype) -> Float[Array, "..."]:
    """Undoes `_bits`."""
    bits = jnp.where(bits < 0, bits ^ jnp.iinfo(bits.dtype).max, bits)
    return jax.lax.bitcast_convert_type(bits, dtype)
