"""Bisection for ranks within a row of distances that a GPU's kernel holds in registers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine.float_bits import float_to_ordered, ordered_to_float

FLOAT32 = jnp.dtype(jnp.float32)
BY_VALUE = 16  # steps that divide the values' range, before steps that divide the floats' bits
INFINITE = 0x7F800000  # bits of infinity


class RowBracket(NamedTuple):
    """Thresholds of a row as ordered integers, and how many values lie below each."""

    low: Int[Array, ""]
    high: Int[Array, ""]
    below_low: Int[Array, ""]
    below_high: Int[Array, ""]


def bisect(
    bits: Int[Array, " n"],
    rank: Int[Array, ""],
    count: Int[Array, ""],
    *,
    slack: Int[Array, ""] | int = 0,
) -> RowBracket:
    """Finds where `rank` of a row's finite values end.

    Floats are compared as integers: to some instructions those near zero are equal.

    Args:
      bits: [n] the values, see `float_to_ordered`.
      rank: at most `count`.
      count: finite values.
      slack: values that may lie below the upper threshold beyond the rank.

    Returns:
      A bracket of which one threshold has `rank` values below it (the upper one: at most `slack`
      more), or with no float between its thresholds.
    """
    least = jnp.min(bits)
    most = jnp.max(jnp.where(bits < INFINITE, bits, least))
    start = RowBracket(least, most + 1, jnp.int32(0), count)

    def is_open(state: tuple[Array, RowBracket]) -> Bool[Array, ""]:
        _, b = state
        return (b.below_low < rank) & (rank + slack < b.below_high) & (b.high - 1 > b.low)

    def step(state: tuple[Array, RowBracket]) -> tuple[Array, RowBracket]:
        i, (low, high, below_low, below_high) = state
        least, most = ordered_to_float(low, FLOAT32), ordered_to_float(high, FLOAT32)
        part = (rank - below_low).astype(jnp.float32) / (below_high - below_low).astype(jnp.float32)
        by_value = float_to_ordered(least + (most - least) * jnp.where((i & 1) == 0, part, 0.5))
        by_bits = (low & high) + ((low ^ high) >> 1)  # the mean, without overflow
        pivot = jnp.where(i < BY_VALUE, by_value, by_bits)
        pivot = jnp.minimum(jnp.maximum(pivot, low + 1), high - 1)
        below = jnp.sum((bits < pivot).astype(jnp.int32), dtype=jnp.int32)
        lower = below <= rank
        return i + 1, RowBracket(
            jnp.where(lower, pivot, low),
            jnp.where(lower, high, pivot),
            jnp.where(lower, below, below_low),
            jnp.where(lower, below_high, below),
        )

    return jax.lax.while_loop(is_open, step, (jnp.int32(0), start))[1]


def count_finite(values: Float[Array, " n"]) -> Int[Array, ""]:
    """Counts values below infinity."""
    return jnp.sum((values < jnp.inf).astype(jnp.int32), dtype=jnp.int32)
