"""Fewer columns for the small Ks of a grid.

A row's values in no order fall into groups of 16 columns. Of the K smallest, where K is at most a
16th of the row, hardly a group gets more than eight, so that half of the values hold them all: two
eights are sorted by a network of minima and maxima, and the smaller of the first's i-th and the
second's i-th from its end are the eight smallest of both. Half of those hold half of the K, and so
on. Whether the K smallest are among what is kept is known from the least value that was left out.
"""

import functools
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_dns.smoothing.engine.counting import padded_columns

EIGHT = 8
# K is at most this part of the columns before halving: a group then holds more than eight of the K
# smallest once in a million, a row of 8,400 once in 2,000.
SHARE = 16
MOST = 3  # halvings; each is a program more to compile
LEAST = 3  # Ks that pay for the networks, which take as long as two Ks' selections
LEAST_PAIRS = 2**26  # of queries and items: 0.15 s a call for 3 s of compiling
NETWORK = (
    (0, 1),
    (2, 3),
    (4, 5),
    (6, 7),
    (0, 2),
    (1, 3),
    (4, 6),
    (5, 7),
    (1, 2),
    (5, 6),
    (0, 4),
    (1, 5),
    (2, 6),
    (3, 7),
    (2, 4),
    (3, 5),
    (1, 2),
    (3, 4),
    (5, 6),
)  # Batcher's odd-even merge sort: pairs to be put in order, one after another


class Shortlist(NamedTuple):
    """A part of each row's values, in another order."""

    values: Float[Array, "m c"]  # c as `padded_columns` gives, infinite where there is none
    smallest_dropped: Float[Array, " m"]


def halvings(ks: tuple[int, ...], n: int) -> dict[int, tuple[int, ...]]:
    """How often n columns can be halved for which Ks; 0 for all where it doesn't pay."""
    of: dict[int, tuple[int, ...]] = {}
    for k in ks:
        times = next((x for x in range(MOST, 0, -1) if k * SHARE * 2 ** (x - 1) <= n), 0)
        of[times] = (*of.get(times, ()), k)
    return of if len(ks) - len(of.get(0, ())) >= LEAST else {0: ks}


def halve_columns(shortlist: Shortlist) -> Shortlist:
    """Half of the values, the smaller ones of their groups."""
    parts = jnp.split(shortlist.values, EIGHT, axis=1)
    for i, j in NETWORK:
        parts[i], parts[j] = jnp.minimum(parts[i], parts[j]), jnp.maximum(parts[i], parts[j])
    first, second = zip(*(jnp.split(x, 2, axis=1) for x in parts))
    pairs = list(zip(first, reversed(second)))
    kept = jnp.concatenate([jnp.minimum(x, y) for x, y in pairs], axis=1)
    missing = padded_columns(kept.shape[1]) - kept.shape[1]
    kept = jnp.pad(kept, ((0, 0), (0, missing)), constant_values=jnp.inf)
    others = functools.reduce(jnp.minimum, [jnp.maximum(x, y) for x, y in pairs])
    return Shortlist(kept, jnp.minimum(shortlist.smallest_dropped, jnp.min(others, axis=1)))
