"""Nearest neighbours in NumPy, in the order of their distances in float64."""

import numpy as np
from jaxtyping import Float, Int

from jax_dns.smoothing.host.block_distances import (
    Scratch,
    candidate_distances,
    rounding_error,
    rows_in_block,
    to_factors,
    to_rectangle,
)
from jax_dns.smoothing.host.group_items import (
    HostItems,
    for_each_block,
    prepare_items,
    prepare_queries,
)
from jax_dns.smoothing.host.recheck import TIE, exact_pair_distances
from jax_dns.smoothing.partition import GroupBlock, number_groups, partition_by_group
from jax_dns.smoothing.sharded.arrays import to_host
from jax_dns.smoothing.validation import SmoothingInputs

CANCELLED = 1e6  # distances below this many times their rounding are computed as differences


def nearest_on_host(
    inputs: SmoothingInputs, count: int
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """Finds each item's `count` nearest candidates.

    Args:
      inputs: concrete arrays; the queries are the items.
      count: at most the candidates of any item.

    Returns:
      [n, count] their numbers, nearest first, of equally near ones the lowest number first; and
      their squared distances in float64.
    """
    names = "features", "pool", "query_features"
    inputs = inputs._replace(**{name: to_host(getattr(inputs, name)) for name in names})
    n = len(inputs.query_features)
    indices, squared = np.empty((n, count), np.int32), np.empty((n, count))
    group, query_group, n_groups = number_groups(inputs.groups, inputs.query_groups)
    for group_block in partition_by_group(
        group, inputs.pool, query_group, n_groups, exclude_self=True
    ):
        items = prepare_items(inputs, group_block.rows)

        def search(block: GroupBlock, scratch: Scratch, items: HostItems = items) -> None:
            nearest = _nearest(inputs, items, block, count, scratch)
            indices[block.queries], squared[block.queries] = nearest

        for_each_block(search, group_block, inputs.block_size or rows_in_block(n, count))
    return indices, squared


def _nearest(
    inputs: SmoothingInputs, items: HostItems, block: GroupBlock, count: int, scratch: Scratch
) -> tuple[Int[np.ndarray, "b k"], Float[np.ndarray, "b k"]]:
    """Finds the nearest candidates of a block of queries."""
    queries = inputs.query_features[block.queries]
    q = prepare_queries(inputs, block, items)
    norms = np.einsum("ij,ij->i", q, q)
    distances, columns = candidate_distances(
        to_factors(q), norms, items.factors, block.self_index, count, scratch
    )
    threshold = np.partition(distances, count - 1, axis=1)[:, count - 1]
    limit = threshold + 2 * rounding_error(threshold, norms, q.shape[1])
    position = np.flatnonzero(distances <= limit[:, None])
    shape = distances.shape
    distances, place = to_rectangle(position, distances.ravel()[position], shape)
    columns = np.broadcast_to(columns, shape)[np.arange(len(place))[:, None], place]
    possible, rows = np.isfinite(distances), items.rows[columns]
    exact, rounding = exact_pair_distances(queries, inputs.features, rows, possible, inputs.metric)
    cancelled = possible & (exact < CANCELLED * rounding[:, None])
    if cancelled.any():
        differences, _ = exact_pair_distances(
            queries, inputs.features, rows, cancelled, inputs.metric, as_differences=True
        )
        exact = np.where(cancelled, differences, exact)
    return _sort(np.where(possible, exact, np.inf), rows, rounding, count)


def _sort(
    squared: Float[np.ndarray, "b c"],
    rows: Int[np.ndarray, "b c"],
    rounding: Float[np.ndarray, " b"],
    count: int,
) -> tuple[Int[np.ndarray, "b k"], Float[np.ndarray, "b k"]]:
    """Sorts by distance, those that are equal up to rounding by number."""
    order = np.argsort(squared, axis=1)
    squared, rows = (np.take_along_axis(x, order, axis=1) for x in (squared, rows))
    following = squared[:, 1:]
    finite = np.isfinite(following)
    gap = np.where(finite, following, 0) - np.where(finite, squared[:, :-1], 0)
    is_tie = finite & (gap <= TIE * np.where(finite, following, 0) + rounding[:, None])
    rank = np.concatenate([np.zeros((len(rows), 1), int), np.cumsum(~is_tie, axis=1)], axis=1)
    order = np.lexsort((rows, rank), axis=1)[:, :count]
    return tuple(np.take_along_axis(x, order, axis=1) for x in (rows, squared))
