"""Passes over a block of values: counts below thresholds, and the minimum, of each row."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

LANES = 64  # columns of a tile
MAX_HEIGHT = 255  # rows of a tile, so that a count fits in a byte
PIVOTS = 4  # counts are the bytes of one int32: on CPU four pivots take 1.3 times one pivot's time


def padded_columns(columns: int) -> int:
    """Rounds up to whole tiles of equal height."""
    tiles = -(-columns // (MAX_HEIGHT * LANES))
    return -(-columns // (tiles * LANES)) * tiles * LANES


def pad_columns(
    values: Float[Array, "m n"], scores: Float[Array, " n"]
) -> tuple[Float[Array, "m p"], Float[Array, " p"]]:
    """Pads values with infinity and their columns' scores with zeros, to `padded_columns`."""
    missing = padded_columns(len(scores)) - len(scores)
    values = jnp.pad(values, ((0, 0), (0, missing)), constant_values=jnp.inf)
    return values, jnp.pad(scores, (0, missing))


def count_below(values: Float[Array, "m n"], pivots: Float[Array, "m p"]) -> Int[Array, "m p"]:
    """Counts each row's values below each of PIVOTS pivots, in one pass over the values.

    For CPU: four pivots take 1.3 times the time of one. Counts packed in floats took 3 times as
    long for three pivots, sums of converted booleans 2.5 times as long.

    Args:
      values: [m, n], n as `padded_columns` gives.
      pivots: [m, PIVOTS].

    Returns:
      [m, PIVOTS].
    """
    m, n = values.shape
    tile = values.reshape(m, -(-n // (MAX_HEIGHT * LANES)), -1, LANES)
    packed = jnp.zeros((), jnp.int32)
    for p in range(PIVOTS):
        packed += jnp.where(tile < pivots[:, p, None, None, None], jnp.int32(1 << (8 * p)), 0)
    packed = packed.sum(2, dtype=jnp.int32)  # the highest byte wraps into the sign, and back below
    # Two counts in each sum: half as many sums, which matters for short rows.
    halves = [((packed >> shift) & 0xFF00FF).sum(2, dtype=jnp.int32) for shift in (0, 8)]
    counts = [half >> shift & 0xFFFF for shift in (0, 16) for half in halves]
    return jnp.stack([count.sum(1, dtype=jnp.int32) for count in counts], axis=1)


def count_plainly(values: Float[Array, "m n"], pivots: Float[Array, "m p"]) -> Int[Array, "m p"]:
    """Counts as `count_below` does, for accelerators and any number of pivots.

    XLA fuses the comparisons into one pass. Compiled for v5e, `count_below`'s tiles are a copy:
    three times the bytes and a second block of memory.
    """
    below = [(values < pivots[:, p, None]).sum(1, dtype=jnp.int32) for p in range(pivots.shape[1])]
    return jnp.stack(below, axis=1)


def row_minimum(values: Float[Array, "m n"]) -> Float[Array, " m"]:
    """Returns each row's minimum; n as `padded_columns` gives. Lanes first: half the time."""
    return values.reshape(len(values), -1, LANES).min(1).min(1)
