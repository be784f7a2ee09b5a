"""Neighbour lists of a growing and shrinking set of items, kept exact without recomputation.

Each item has a list of its nearest candidates, nearest first, and a bound: every candidate up to
the bound is in the list. A candidate that arrives is inserted into the lists whose bound it lies
within, and one that leaves is taken out of them. Lists hold more entries than Eq. 7 needs; one
that runs short is filled anew by a search.

Distances are computed twice. A float32 matrix product rules out most pairs, with a bound on its
rounding error; for the others the squared difference is summed in float64. So the lists don't
depend on the order of arrivals or on how a matrix product rounds. Equal distances are ordered by
row, the lower first.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

# Of features in a matrix product: larger ones are shared among threads, for thrice the CPU time.
BLOCK_ROWS = 2**9
PAIRS = 2**24  # approximate distances held at a time, 4 bytes each
FEWEST_QUERIES = 8  # searched for together, however long the history
EXACT_VALUES = 2**22  # differences held at a time while distances are summed, 8 bytes each


class NeighborLists(NamedTuple):
    """Lists of some items, padded with row -1 at an infinite distance."""

    rows: Int[np.ndarray, "t l"]
    distances: Float[np.ndarray, "t l"]  # squared, float64
    bound: Float[np.ndarray, " t"]  # squared; infinite where the list holds every candidate
    bound_row: Int[np.ndarray, " t"]  # ranks candidates at exactly the bound


class Items(NamedTuple):
    """State of all items, one entry for each row."""

    live: Bool[np.ndarray, " n"]  # has a list
    candidate: Bool[np.ndarray, " n"]  # may be in other items' lists
    bound: Float[np.ndarray, " n"]
    bound_row: Int[np.ndarray, " n"]


class Changes(NamedTuple):
    """Effect of new items and of a change of the candidates on the lists."""

    touched: Int[np.ndarray, " t"]  # items whose lists may change
    joins: Int[np.ndarray, "p 2"]  # pairs of item and candidate that joins the item's list
    join_distances: Float[np.ndarray, " p"]
    new: Int[np.ndarray, " m"]  # items without a list so far
    new_lists: NeighborLists


def exact_distances(
    left: Float[np.ndarray, "p d"], right: Float[np.ndarray, " d"]
) -> Float[np.ndarray, " p"]:
    """Computes p items' squared distances from one, in float64; the same from either side."""
    out = np.empty(len(left))
    step = max(1, EXACT_VALUES // left.shape[1])
    for first in range(0, len(left), step):
        part = slice(first, first + step)
        difference = left[part].astype(np.float64) - right[None, :]
        out[part] = (difference * difference).sum(-1)
    return out


def approximate_distances(
    queries: Float[np.ndarray, "m d"],
    features: Float[np.ndarray, "n d"],
    origin: Float[np.ndarray, " d"],
) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, "m n"]]:
    """Bounds squared distances from both sides, by a matrix product in float32.

    Args:
      queries: [m, d].
      features: [n, d], read in blocks.
      origin: [d] subtracted from both; the nearer to the features, the tighter the bounds.

    Returns:
      Lower and upper bounds [m, n]. Values that float32 can't hold are NaN or infinite.
    """
    m, (n, d) = len(queries), features.shape
    lower, upper = np.empty((m, n), np.float32), np.empty((m, n), np.float32)
    share = np.float32(4 * (d + 8) * np.finfo(np.float32).eps)
    with np.errstate(over="ignore", invalid="ignore"):
        queries = queries - origin[None, :]
        query_norms = np.einsum("md,md->m", queries, queries)[:, None]
        for first in range(0, n, BLOCK_ROWS):
            part = slice(first, first + BLOCK_ROWS)
            block = features[part] - origin[None, :]
            norms = query_norms + np.einsum("nd,nd->n", block, block)[None, :]
            distances = norms - 2 * (block @ queries.T).T
            lower[:, part] = distances - share * norms
            upper[:, part] = distances + share * norms
    return lower, upper


def search(
    queries: Int[np.ndarray, " m"],
    features: Float[np.ndarray, "n d"],
    candidate: Bool[np.ndarray, " n"],
    origin: Float[np.ndarray, " d"],
    width: int,
) -> NeighborLists:
    """Searches all candidates for some items' nearest.

    Args:
      queries: [m] rows of the items; an item is no candidate of its own.
      features: [n, d].
      candidate: [n] which rows may be neighbours.
      origin: see `approximate_distances`.
      width: entries of a list.

    Returns:
      m lists.
    """
    parts = [
        _nearest(rows, lower, upper, features, candidate, width)
        for rows, lower, upper in _passes(queries, features, origin)
    ]
    return join_lists(parts, width)


def find_changes(
    before: Items,
    after: Items,
    features: Float[np.ndarray, "n d"],
    origin: Float[np.ndarray, " d"],
    width: int,
) -> Changes:
    """Finds the effect of new items and of a change of the candidates on the lists, in one pass.

    Args:
      before: the items; rows that are new are neither live nor candidates.
      after: the items afterwards.
      features: [n, d].
      origin: see `approximate_distances`.
      width: entries of a list.

    Returns:
      The lists that may change, the candidates that join them, and the new items' lists.
    """
    joining = after.candidate & ~before.candidate
    changed = after.candidate != before.candidate
    is_new = after.live & ~before.live
    owner = before.live & after.live
    touched, pairs, distances, lists = [], [], [], []
    for rows, lower, upper in _passes(np.flatnonzero(changed | is_new), features, origin):
        for row, low in zip(rows, lower):
            if not changed[row]:
                continue
            near = owner & ~(low > before.bound)  # NaN is near
            near[row] = False
            items = np.flatnonzero(near)
            touched.append(items)
            if joining[row]:
                distance = exact_distances(np.asarray(features[items]), np.asarray(features[row]))
                bound, bound_row = before.bound[items], before.bound_row[items]
                within = (distance < bound) | ((distance == bound) & (row < bound_row))
                items = items[within]
                pairs.append(np.stack([items, np.full(len(items), row)], axis=1))
                distances.append(distance[within])
        new = is_new[rows]
        lists.append(_nearest(rows[new], lower[new], upper[new], features, after.candidate, width))
    return Changes(
        np.unique(np.concatenate([np.zeros(0, np.int64), *touched])),
        np.concatenate([np.zeros((0, 2), np.int64), *pairs]),
        np.concatenate([np.zeros(0), *distances]),
        np.flatnonzero(is_new),
        join_lists(lists, width),
    )


def update_lists(
    lists: NeighborLists, changes: Changes, candidate: Bool[np.ndarray, " n"]
) -> NeighborLists:
    """Removes from lists the candidates that left, and inserts those that joined.

    Args:
      lists: of the items `changes.touched`.
      changes: the candidates that join them.
      candidate: [n] the candidates now.

    Returns:
      The lists now. A bound stays where it was or moves inwards.
    """
    t, width = lists.rows.shape
    rows = np.where((lists.rows >= 0) & candidate[lists.rows], lists.rows, -1)
    distances = np.where(rows >= 0, lists.distances, np.inf)
    if len(changes.joins):
        owner = np.searchsorted(changes.touched, changes.joins[:, 0])
        order = np.argsort(owner, kind="stable")
        owner = owner[order]
        counts = np.bincount(owner, minlength=t)
        column = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
        more_rows = np.full((t, counts.max()), -1)
        more_distances = np.full((t, counts.max()), np.inf)
        more_rows[owner, column] = changes.joins[order, 1]
        more_distances[owner, column] = changes.join_distances[order]
        rows = np.concatenate([rows, more_rows], axis=1)
        distances = np.concatenate([distances, more_distances], axis=1)
    order = np.lexsort((rows, distances), axis=-1)
    rows = np.take_along_axis(rows, order, 1)
    distances = np.take_along_axis(distances, order, 1)
    overflows = rows[:, width:].max(1, initial=-1) >= 0
    return NeighborLists(
        rows[:, :width],
        distances[:, :width],
        np.where(overflows, distances[:, width - 1], lists.bound),
        np.where(overflows, rows[:, width - 1], lists.bound_row),
    )


def run_short(lists: NeighborLists, n_neighbors: int) -> Bool[np.ndarray, " t"]:
    """Returns which lists hold fewer than `n_neighbors` entries although there are more."""
    return ((lists.rows >= 0).sum(1) < n_neighbors) & np.isfinite(lists.bound)


def smoothed_scores(
    own: Float[np.ndarray, " t"],
    lists: NeighborLists,
    scores: Float[np.ndarray, " n"],
    k: int,
) -> Float[np.ndarray, " t"]:
    """Averages items' own scores and those of their K - 1 nearest (Eq. 7), in float64.

    Where there are fewer than K - 1 candidates, all of them are averaged.

    Args:
      own: [t] a_G of the items.
      lists: their lists.
      scores: [n] a_G of all rows.
      k: K, the item itself counted.
    """
    rows = lists.rows[:, : k - 1]
    neighbors = np.where(rows >= 0, scores[rows], 0).astype(np.float64)
    return (own + neighbors.sum(1)) / (1 + (rows >= 0).sum(1))


def join_lists(parts: list[NeighborLists], width: int) -> NeighborLists:
    """Joins lists of different items."""
    empty = empty_lists(0, width)
    return NeighborLists(*(np.concatenate(columns) for columns in zip(empty, *parts)))


def empty_lists(t: int, width: int) -> NeighborLists:
    """Returns lists without candidates."""
    return NeighborLists(
        np.full((t, width), -1),
        np.full((t, width), np.inf),
        np.full(t, np.inf),
        np.full(t, -1),
    )


def shift_rows(lists: NeighborLists, by: int) -> NeighborLists:
    """Adds a number to all rows of lists."""
    rows = np.where(lists.rows >= 0, lists.rows + by, -1)
    return lists._replace(rows=rows, bound_row=lists.bound_row + by)


def _passes(
    queries: Int[np.ndarray, " m"],
    features: Float[np.ndarray, "n d"],
    origin: Float[np.ndarray, " d"],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields some of the queries at a time, with lower and upper bounds of their distances."""
    step = max(FEWEST_QUERIES, PAIRS // max(1, len(features)))
    for first in range(0, len(queries), step):
        rows = queries[first : first + step]
        yield rows, *approximate_distances(np.asarray(features[rows]), features, origin)


def _nearest(
    queries: Int[np.ndarray, " m"],
    lower: Float[np.ndarray, "m n"],
    upper: Float[np.ndarray, "m n"],
    features: Float[np.ndarray, "n d"],
    candidate: Bool[np.ndarray, " n"],
    width: int,
) -> NeighborLists:
    """Returns the queries' lists, from the bounds of their distances to all rows."""
    lists = empty_lists(len(queries), width)
    count = candidate.sum()
    for i, query in enumerate(queries):
        near = candidate.copy()
        near[query] = False
        if near.sum() > width:
            # At least `width` candidates lie within the limit: none beyond it is among the nearest.
            limit = np.partition(np.where(near, upper[i], np.inf), width - 1)[width - 1]
            near &= ~(lower[i] > limit)
        others = np.flatnonzero(near)
        distance = exact_distances(np.asarray(features[others]), np.asarray(features[query]))
        order = np.lexsort((others, distance))[:width]
        lists.rows[i, : len(order)] = others[order]
        lists.distances[i, : len(order)] = distance[order]
        if count - candidate[query] > width:
            lists.bound[i], lists.bound_row[i] = distance[order[-1]], others[order[-1]]
    return lists
