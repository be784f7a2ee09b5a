"""The threshold below which exactly K values of a row lie, found by counting instead of sorting.

A mean over the K nearest needs only that threshold. The search keeps two thresholds around it for
each row, counts how many values lie below a few pivots between them, and keeps the tightest pair:
first with pivots where a sample of the columns puts them, then by interpolation, at last by
bisection over the floats' bits, so it ends at the latest when the two are neighbouring floats. The
values between those are equal, and share what is left of the rank. Nothing of size rows x K is
made. Several ranks of the same rows are searched together.
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
from jax_dns.smoothing.engine.float_bits import float_to_ordered, ordered_to_float

SAMPLE = 16  # one column in so many makes the first bracket
SAMPLE_PASSES = 3
INTERPOLATIONS = 6  # passes, after which every other pass bisects bits
MAX_PASSES = 200  # bisection needs 2 * 32 / log2(5); a guard against NaN under `jit`


class BackendParams(NamedTuple):
    """What suits a kind of device."""

    pivots: int  # counted in one pass
    packed: bool  # whether `count_below` counts, or `count_plainly`
    axis: str | None = None  # a mesh axis over which counts are summed


# Compiled for CPU, `count_plainly` takes 7 times as long.
ON_CPU = BackendParams(PIVOTS, packed=True)
# A pass is bound by memory, not by comparisons.
ON_ACCELERATOR = BackendParams(8, packed=False)


class Bracket(NamedTuple):
    """Two thresholds for each rank and row: below_low <= rank <= below_high values lie below."""

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
) -> Bracket:
    """Finds thresholds with exactly `rank` of a row's values below them, for each of `ranks`.

    Args:
      values: [m, n], n as `padded_columns` gives; infinite where there is no value. In
        pseudo-random order.
      ranks: [k], at most `total`.
      low: [m] a bound with no value below it.
      high: [m] a bound with all finite values below it.
      total: [m] the number of finite values.
      axis: a mesh axis whose devices hold further columns of the same rows; the other arguments
        are equal on all of them, `total` counts over all. None: each row is whole.

    Returns:
      Closed brackets [k, m]: one of the two thresholds has `rank` values below it, or all values
      from low up to high are equal.
    """

    def on(params: BackendParams) -> Callable[..., Bracket]:
        return functools.partial(_select, params=params._replace(axis=axis))

    return jax.lax.platform_dependent(
        values, ranks, low, high, total, cpu=on(ON_CPU), default=on(ON_ACCELERATOR)
    )


def _select(
    values: Float[Array, "m n"],
    ranks: Int[Array, " k"],
    low: Float[Array, " m"],
    high: Float[Array, " m"],
    total: Int[Array, " m"],
    *,
    params: BackendParams,
) -> Bracket:
    """`select` for one kind of device."""
    k, (m, n) = len(ranks), values.shape
    rank = ranks[:, None]

    def for_each_rank(x: Array) -> Array:
        return jnp.broadcast_to(x, (k, m))

    whole = Bracket(*map(for_each_rank, (low, high, jnp.zeros_like(total), total)))
    first = padded_columns(max(4, -(-(n // LANES) // SAMPLE)) * LANES)
    if first * 4 > n:
        return _narrow(values, rank, whole, None, params)
    sample = values[:, :first]
    # Ranks in the sample, 1.5 standard deviations to either side of the expected one.
    count = for_each_rank(_sum_over(params.axis, jnp.isfinite(sample).sum(1, dtype=jnp.int32)))
    share = rank / jnp.maximum(whole.below_high, 1).astype(values.dtype)
    spread = 1.5 * jnp.sqrt(count * share * (1 - share)) + 0.5
    ends = tuple(jnp.clip(count * share + sign * spread, 0, count) for sign in (-1, 1))
    left, right = _estimate(sample, ends, whole._replace(below_high=count), params)
    steps = jnp.arange(params.pivots, dtype=values.dtype)[None, None, :] / (params.pivots - 1)
    pivots = left[..., None] + (right - left)[..., None] * steps
    return _narrow(values, rank, whole, pivots, params)


def _estimate(
    sample: Float[Array, "m n"],
    ends: tuple[Float[Array, "k m"], ...],
    bracket: Bracket,
    params: BackendParams,
) -> list[Float[Array, "k m"]]:
    """Estimates the values at two ranks near each other: a few passes over a sample."""

    def step(_, brackets: tuple[Bracket, ...]) -> tuple[Bracket, ...]:
        half = params.pivots // 2
        pivots = [_interpolated_pivots(rank, b, half) for rank, b in zip(ends, brackets)]
        pivots, counts = _count(sample, jnp.concatenate(pivots, axis=2), bracket, params)
        return tuple(_keep_tightest(rank, b, pivots, counts) for rank, b in zip(ends, brackets))

    def value_at(rank: Array, bracket: Bracket) -> Array:
        low, high, below_low, below_high = bracket
        gap = jnp.maximum(below_high - below_low, 1)
        return low + (high - low) * ((rank - below_low) / gap)

    brackets = jax.lax.fori_loop(0, SAMPLE_PASSES, step, (bracket, bracket))
    return [value_at(rank, b) for rank, b in zip(ends, brackets)]


def _narrow(
    values: Float[Array, "m n"],
    rank: Int[Array, "k 1"],
    bracket: Bracket,
    first_pivots: Float[Array, "k m p"] | None,
    params: BackendParams,
) -> Bracket:
    """Tightens brackets until all are closed, with `first_pivots` in the first pass if given."""

    def any_open(state: tuple[Array, Bracket]) -> Array:
        return (state[0] < MAX_PASSES) & jnp.any(_is_open(rank, state[1]))

    def step(state: tuple[Array, Bracket]) -> tuple[Array, Bracket]:
        i, bracket = state
        pivots = jnp.where(
            (i >= INTERPOLATIONS) & (i % 2 == 0),
            _bisecting_pivots(bracket, params.pivots),
            _interpolated_pivots(rank, bracket, params.pivots),
        )
        if first_pivots is not None:
            pivots = jnp.where(i < 0, first_pivots, pivots)
        return i + 1, _keep_tightest(rank, bracket, *_count(values, pivots, bracket, params))

    begin = jnp.asarray(0 if first_pivots is None else -1)
    return jax.lax.while_loop(any_open, step, (begin, bracket))[1]


def _sum_over(axis: str | None, counts: Int[Array, "..."]) -> Int[Array, "..."]:
    """Sums counts over devices: no value leaves its device."""
    return counts if axis is None else jax.lax.psum(counts, axis)


def _is_open(rank: Array, bracket: Bracket) -> Bool[Array, "*k m"]:
    """Whether neither threshold has the rank and there are floats between them."""
    low, high, below_low, below_high = bracket
    apart = float_to_ordered(high) - 1 > float_to_ordered(low)
    return (below_low < rank) & (rank < below_high) & apart


def _count(
    values: Float[Array, "m n"],
    pivots: Float[Array, "k m p"],
    bracket: Bracket,
    params: BackendParams,
) -> tuple[Float[Array, "k m p"], Int[Array, "k m p"]]:
    """Counts below pivots in one pass, each moved strictly inside its bracket so as to tell more.

    Returns:
      The pivots, and how many values lie below each.
    """
    low, high = float_to_ordered(bracket.low)[..., None], float_to_ordered(bracket.high)[..., None]
    ordered = jnp.maximum(jnp.clip(float_to_ordered(pivots), low + 1, high - 1), low)
    pivots = ordered_to_float(ordered, pivots.dtype)
    count = count_below if params.packed else count_plainly
    # One rank after another: all in one sum took three times as long on CPU.
    counts = jax.lax.map(lambda x: count(values, x), pivots)
    return pivots, _sum_over(params.axis, counts)


def _keep_tightest(
    rank: Array, bracket: Bracket, pivots: Float[Array, "k m p"], counts: Int[Array, "k m p"]
) -> Bracket:
    """Returns the tightest thresholds around the rank."""
    low, high, below_low, below_high = bracket
    for p in range(pivots.shape[2]):
        pivot, count = pivots[..., p], counts[..., p]
        lower, upper = (count <= rank) & (pivot >= low), (count >= rank) & (pivot <= high)
        low, below_low = jnp.where(lower, pivot, low), jnp.where(lower, count, below_low)
        high, below_high = jnp.where(upper, pivot, high), jnp.where(upper, count, below_high)
    return Bracket(low, high, below_low, below_high)


def _interpolated_pivots(rank: Array, bracket: Bracket, number: int) -> Float[Array, "k m p"]:
    """Spreads pivots around the rank's place on the line between the thresholds.

    As widely as values in random order scatter around that line, but not so near to a threshold
    that a pass gains little once few values are left.
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


def _bisecting_pivots(bracket: Bracket, number: int) -> Float[Array, "k m p"]:
    """Spaces pivots so that equally many floats lie between them."""
    low, high = float_to_ordered(bracket.low), float_to_ordered(bracket.high)
    unsigned = jnp.uint32 if low.dtype == jnp.int32 else jnp.uint64
    part = (high.astype(unsigned) - low.astype(unsigned)) // (number + 1)  # wraps as it should
    steps = jnp.arange(1, number + 1, dtype=unsigned)[None, None, :]
    ordered = (low.astype(unsigned)[..., None] + part[..., None] * steps).astype(low.dtype)
    return ordered_to_float(ordered, bracket.low.dtype)
