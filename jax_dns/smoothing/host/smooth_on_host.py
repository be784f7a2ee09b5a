"""Smoothing in NumPy, group by group, blocks of queries in threads.

Neighbours are those of a float64 loop over the features as given: candidates that the products in
the working type can't tell apart are looked at again (see `recheck`).
"""

import numpy as np
from jaxtyping import Float, Int

from jax_dns.smoothing.host.block_distances import (
    Scratch,
    candidate_distances,
    rounding_error,
    rows_in_block,
    to_factors,
)
from jax_dns.smoothing.host.group_items import (
    HostItems,
    for_each_block,
    prepare_items,
    prepare_queries,
)
from jax_dns.smoothing.host.recheck import exact_pair_distances, recheck, sum_where
from jax_dns.smoothing.partition import GroupBlock, number_groups, partition_by_group
from jax_dns.smoothing.sharded.arrays import to_host
from jax_dns.smoothing.validation import SmoothingInputs

SEARCHED_VALUES = 2**18  # distances that are sorted at once: they stay in a core's cache
RECHECKED_VALUES = 2**20  # distances that are looked at again at once


def smooth_on_host(inputs: SmoothingInputs) -> Float[np.ndarray, "k m"]:
    """Smooths by Eq. 7 for every K of `inputs.ks`.

    Args:
      inputs: concrete arrays on the host or a CPU device; every K above 1.

    Returns:
      [len(ks), m] float64.
    """
    names = "scores", "features", "pool", "query_scores", "query_features"
    inputs = inputs._replace(**{name: to_host(getattr(inputs, name)) for name in names})
    group, query_group, n_groups = number_groups(inputs.groups, inputs.query_groups)
    sums = np.empty((len(inputs.ks), len(inputs.query_scores)))
    ranks = np.asarray(inputs.ks) - 1
    for group_block in partition_by_group(
        group, inputs.pool, query_group, n_groups, exclude_self=inputs.exclude_self
    ):
        items = prepare_items(inputs, group_block.rows)

        def sum_block(block: GroupBlock, scratch: Scratch, items: HostItems = items) -> None:
            sums[:, block.queries] = _sum_block(inputs, items, block, ranks, scratch)

        size = inputs.block_size or rows_in_block(len(items.rows), int(ranks.max()))
        for_each_block(sum_block, group_block, size)
    return (inputs.query_scores.astype(np.float64) + sums) / np.asarray(inputs.ks)[:, None]


def _sum_block(
    inputs: SmoothingInputs,
    items: HostItems,
    block: GroupBlock,
    ranks: Int[np.ndarray, " k"],
    scratch: Scratch,
) -> Float[np.ndarray, "k b"]:
    """Sums, for every rank and query of a block, the scores of the `rank` nearest candidates."""
    q = prepare_queries(inputs, block, items)
    norms = np.einsum("ij,ij->i", q, q)
    distances, columns = candidate_distances(
        to_factors(q), norms, items.factors, block.self_index, int(ranks.max()), scratch
    )
    scores = items.scores[columns]
    sums, threshold, following = sum_nearest(distances, scores, ranks, scratch)
    error = rounding_error(threshold, norms, q.shape[1])
    rows_of = np.broadcast_to(items.rows[columns], distances.shape)
    step = max(1, RECHECKED_VALUES // distances.shape[1])
    for at, is_unsure in enumerate(following <= threshold + 2 * error):
        every = np.flatnonzero(is_unsure)
        for unsure in (every[first : first + step] for first in range(0, len(every), step)):

            def exact(column, wanted, unsure=unsure):
                queries = inputs.query_features[block.queries[unsure]]
                rows = rows_of[unsure[:, None], column]
                return exact_pair_distances(queries, inputs.features, rows, wanted, inputs.metric)

            sums[at, unsure] = recheck(
                distances[unsure],
                threshold[at, unsure],
                error[at, unsure],
                int(ranks[at]),
                scores if scores.ndim == 1 else scores[unsure],
                exact,
            )
    return sums


def sum_nearest(
    distances: Float[np.ndarray, "b c"],
    scores: Float[np.ndarray, "*b c"],
    ranks: Int[np.ndarray, " k"],
    scratch: Scratch,
) -> tuple[Float[np.ndarray, "k b"], Float[np.ndarray, "k b"], Float[np.ndarray, "k b"]]:
    """Sums the scores of each row's nearest candidates.

    Args:
      distances: [b, c].
      scores: [b, c], or [c], the same for all rows.
      ranks: how many nearest, of which equally far ones are all added.
      scratch: holds what is sorted.

    Returns:
      For each rank and row the sum, the distance at that rank, and the following one.
    """
    count, ordered, (b, width) = int(ranks.max()), len(ranks) > 1, distances.shape
    sums = np.empty((len(ranks), b))
    threshold, following = (np.full(sums.shape, np.inf, distances.dtype) for _ in range(2))
    step = max(1, SEARCHED_VALUES // width)
    for rows in (slice(first, first + step) for first in range(0, b, step)):
        part, part_scores = distances[rows], scores if scores.ndim == 1 else scores[rows]
        # NumPy sorts values with vector instructions, and their positions many times more slowly.
        value = scratch.array("sorted", part.shape, part.dtype)
        np.copyto(value, part)
        if ordered:
            value.sort()
        else:
            value.partition(min(count, width - 1))
        near = scratch.array("near", part.shape, bool)
        for at, rank in enumerate(ranks.tolist()):
            threshold[at, rows] = value[:, rank - 1 if ordered else 0 : rank].max(1)
            if rank < width:
                following[at, rows] = value[:, rank]
            np.less_equal(part, threshold[at, rows, None], out=near)
            sums[at, rows] = sum_where(near, part_scores)
    return sums, threshold, following
