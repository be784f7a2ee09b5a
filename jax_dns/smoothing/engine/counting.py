"""Passes over blocks of values: how many of each row lie below thresholds, and the least."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

LANES = 64  # columns of a tile
TALL = 255  # rows of a tile at most, so that a count fits in a byte
PIVOTS = 4  # counts are the bytes of one int32: on CPU four pivots take 1.3 times one pivot's time


def padded_columns(columns: int) -> int:
    """Columns after padding to whole tiles of equal height."""
    number = -(-columns // (TALL * LANES))
    return -(-columns // (number * LANES)) * number * LANES


def count_below(values: Float[Array, "m n"], pivots: Float[Array, "m p"]) -> Int[Array, "m p"]:
    """Counts each row's values below each of PIVOTS pivots, in one pass over the values.

    On CPU four pivots counted so take 1.3 times one pivot's time; packing them in floats took 3
    times for three. Constants are chosen by `where`: sums of converted booleans took 2.5 times as
    long.
    """
    m, n = values.shape
    tile = values.reshape(m, -(-n // (TALL * LANES)), -1, LANES)
    packed = jnp.zeros((), jnp.int32)
    for p in range(PIVOTS):
        packed += jnp.where(tile < pivots[:, p, None, None, None], jnp.int32(1 << (8 * p)), 0)
    packed = packed.sum(2, dtype=jnp.int32)  # the highest byte wraps into the sign, and back below
    # Two counts to a sum: half as many for rows that are short.
    halves = [((packed >> shift) & 0xFF00FF).sum(2, dtype=jnp.int32) for shift in (0, 8)]
    counts = [half >> shift & 0xFFFF for shift in (0, 16) for half in halves]
    return jnp.stack([count.sum(1, dtype=jnp.int32) for count in counts], axis=1)


def count_plainly(values: Float[Array, "m n"], pivots: Float[Array, "m p"]) -> Int[Array, "m p"]:
    """`count_below` for accelerators and any number of pivots.

    XLA joins the comparisons in one pass; compiled for v5e, the tiles of the other form are a copy,
    three times the bytes and a second block of memory.
    """
    below = [(values < pivots[:, p, None]).sum(1, dtype=jnp.int32) for p in range(pivots.shape[1])]
    return jnp.stack(below, axis=1)


def row_minimum(values: Float[Array, "m n"]) -> Float[Array, " m"]:
    """Each row's least value; columns as `padded_columns` gives. Lanes first: half the time."""
    return values.reshape(len(values), -1, LANES).min(1).min(1)
