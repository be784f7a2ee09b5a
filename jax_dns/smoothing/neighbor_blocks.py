"""Neighbours and their distances, block by block, for rules with weights of their own.

This is the readable path: distances and top-k of `reference`, a block of queries at a time, so that
neither N x N distances nor N x K neighbours are held.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.smoothing.cross_clip import largest_k
from jax_dns.smoothing.feature_space import METRICS, fit_frame, to_frame, to_metric_space
from jax_dns.smoothing.reference import Candidates, Queries, block_distances, make_candidates
from jax_dns.smoothing.validation import check_device_range, validate_inputs
from jax_dns.types import ArrayLike

BLOCK = 256  # queries


class Items(NamedTuple):
    """Items among which neighbours are sought."""

    features: Float[np.ndarray, "n d"]
    groups: Int[np.ndarray, " n"]  # neighbours are of the same group
    pool: Bool[np.ndarray, " n"]  # which items may be neighbours
    identity: Int[np.ndarray, " n"]  # neighbours are of another identity: item number, or clip
    metric: str = "euclidean"  # or "cosine"


class DistanceBlock(NamedTuple):
    """Distances of some items to all items of their group."""

    rows: Int[np.ndarray, " m"]  # of the queries
    members: Int[np.ndarray, " g"]  # of the group's items
    squared: Float[np.ndarray, "m g"]  # in units of the group; infinite for no candidate
    unit: float  # a power of four, which keeps distances within the type's range


class NeighborBlock(NamedTuple):
    """The nearest candidates of some items, nearest first."""

    rows: Int[np.ndarray, " m"]  # of the queries
    neighbors: Int[np.ndarray, "m k"]  # rows of the neighbours
    squared: Float[np.ndarray, "m k"]  # distances in units of the group, see `DistanceBlock`
    unit: float


def check_options(metric: str, ks: Sequence[int]) -> None:
    """Raises InputError for an unknown metric, or Ks that aren't whole numbers of at least 1."""
    if metric not in METRICS:
        raise InputError(f"metric: {metric!r}, expected {' or '.join(METRICS)}")
    if not ks or not all(type(k) is int and k >= 1 for k in ks):
        raise InputError(f"ks: {ks!r}, expected whole numbers, 1 or more")


def usable_ks(ks: Sequence[int], items: Items, *, same_clip: bool) -> list[int]:
    """Returns the Ks that every item has enough candidates for."""
    clip = None if same_clip else items.identity
    largest = largest_k(items.groups, items.pool, clip=clip)
    return [k for k in ks if k <= largest]


def make_items(
    scores: Float[np.ndarray, " n"],
    features: Float[np.ndarray, "n d"],
    *,
    groups: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    clip: Int[np.ndarray, " n"],
    metric: str,
    same_clip: bool,
) -> Items:
    """Checks a rule's arguments and collects them.

    Args:
      scores: [n] a_G, checked alone.
      features: [n, d] f_D.
      groups: [n] neighbours are of the same group.
      pool: [n] which items may be neighbours.
      clip: [n] each item's recording.
      metric: "euclidean" or "cosine".
      same_clip: whether an item's neighbours may be of its own clip.

    Raises:
      InputError: arguments that `smooth` refuses.
    """
    checked = validate_inputs(scores, features, (1,), groups=groups, pool=pool, metric=metric)
    check_device_range(checked)
    return Items(features, groups, pool, np.arange(len(scores)) if same_clip else clip, metric)


def distance_blocks(items: Items) -> Iterator[DistanceBlock]:
    """Yields the squared distances of all items, group by group and block by block."""
    for members, rows, queries, candidates, unit in _blocks(items):
        squared = _distances(queries, candidates)
        yield DistanceBlock(rows, members, np.asarray(squared)[: len(rows)], unit)


def neighbor_blocks(items: Items, count: int) -> Iterator[NeighborBlock]:
    """Yields the `count` nearest candidates of all items, group by group and block by block.

    Args:
      items: with `count` candidates each, see `usable_ks`.
      count: neighbours of each item.
    """
    for members, rows, queries, candidates, unit in _blocks(items):
        squared, neighbors = (
            np.asarray(x)[: len(rows)] for x in _nearest(queries, candidates, count)
        )
        yield NeighborBlock(rows, members[neighbors], squared, unit)


def _blocks(items: Items) -> Iterator[tuple[np.ndarray, np.ndarray, Queries, Candidates, float]]:
    """Yields a group's members, the rows of some of them, both for the device, and the unit."""
    for group in np.unique(items.groups):
        members = np.flatnonzero(items.groups == group)
        pool = jnp.asarray(items.pool[members])
        features, exponent = _to_frame(
            jnp.asarray(items.features[members]), pool, metric=items.metric
        )
        one_group = jnp.zeros(len(members), jnp.int32)
        numbers = np.unique(items.identity[members], return_inverse=True)[1]
        identity = jnp.asarray(numbers.reshape(-1), jnp.int32)
        candidates = make_candidates(features, one_group, pool, identity)
        unit, size = 4.0 ** int(exponent), min(BLOCK, len(members))
        for first in range(0, len(members), size):
            # The last block repeats its last row, so that all blocks share a program.
            part = np.minimum(np.arange(first, first + size), len(members) - 1)
            queries = Queries(features[part], one_group[part], identity[part])
            yield members, members[first : first + size], queries, candidates, unit


@functools.partial(jax.jit, static_argnames="metric")
def _to_frame(
    features: Float[Array, "n d"], pool: Bool[Array, " n"], *, metric: str
) -> tuple[Float[Array, "n d"], Int[Array, ""]]:
    """Maps features to their frame; returns its exponent, too."""
    features = to_metric_space(features, metric)
    frame = fit_frame(features, pool)
    return to_frame(features, frame), frame.exponent


@jax.jit
def _distances(queries: Queries, candidates: Candidates) -> Float[ArrayLike, "m n"]:
    return block_distances(queries, candidates)


@functools.partial(jax.jit, static_argnames="count")
def _nearest(queries: Queries, candidates: Candidates, count: int) -> tuple[Array, Array]:
    negative, neighbors = jax.lax.top_k(-block_distances(queries, candidates), count)
    return -negative, neighbors
