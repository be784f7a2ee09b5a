"""Smoothing in NumPy, group by group, blocks of queries in threads.

Neighbours are those of a float64 loop over the features as given: candidates that the products in
the working type can't tell apart are looked at again (see `recheck`).
"""

import numpy as np
from jaxtyping import Float, Int

from jax_dns.smoothing.host.block_distances import (
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
from jax_dns.smoothing.host.recheck import exact_pair_distances, recheck
from jax_dns.smoothing.partition import GroupBlock, number_groups, partition_by_group
from jax_dns.smoothing.sharded.arrays import to_host
from jax_dns.smoothing.validation import SmoothingInputs


def smooth_on_host(inputs: SmoothingInputs) -> Float[np.ndarray, "k m"]:
    """Smooths for all of `inputs.ks` (Eq. 7).

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

        def sum_block(block: GroupBlock, items: HostItems = items) -> None:
            sums[:, block.queries] = _sum_block(inputs, items, block, ranks)

        size = inputs.block_size or rows_in_block(len(items.rows), int(ranks.max()))
        for_each_block(sum_block, group_block, size)
    return (inputs.query_scores.astype(np.float64) + sums) / np.asarray(inputs.ks)[:, None]


def _sum_block(
    inputs: SmoothingInputs, items: HostItems, block: GroupBlock, ranks: Int[np.ndarray, " k"]
) -> Float[np.ndarray, "k b"]:
    """Sums the scores of the `rank` nearest candidates of a block of queries, for all ranks."""
    count, ordered = int(ranks.max()), len(ranks) > 1
    queries = inputs.query_features[block.queries]
    q = prepare_queries(queries, items, inputs.metric)
    norms = np.einsum("ij,ij->i", q, q)
    distances, columns = candidate_distances(
        to_factors(q), norms, items.factors, block.self_index, count
    )
    nearest = _smallest(distances, count, ordered=ordered)
    value = np.take_along_axis(distances, nearest, axis=1)
    scores = items.scores[np.take_along_axis(columns, nearest, axis=1)]
    sums = np.cumsum(scores, axis=1)[:, ranks - 1].T if ordered else scores[None, :, :count].sum(2)
    for out, rank in zip(sums, ranks.tolist()):
        threshold = value[:, rank - 1] if ordered else value[:, :rank].max(1)
        following = value[:, rank] if rank < value.shape[1] else np.full_like(threshold, np.inf)
        error = rounding_error(threshold, norms, q.shape[1])
        unsure = np.flatnonzero(following - threshold <= 2 * error)
        if len(unsure):
            position = columns[unsure]
            rows = items.rows[position]

            def exact(wanted, queries=queries[unsure], rows=rows):
                return exact_pair_distances(queries, inputs.features, rows, wanted, inputs.metric)

            out[unsure] = recheck(
                distances[unsure],
                threshold[unsure],
                error[unsure],
                rank,
                items.scores[position],
                exact,
            )
    return sums


def _smallest(
    distances: Float[np.ndarray, "b c"], count: int, *, ordered: bool
) -> Int[np.ndarray, "b s"]:
    """Returns the positions of the `count` smallest, sorted if `ordered`, and of the next one."""
    if count == distances.shape[1]:
        nearest = np.broadcast_to(np.arange(count), distances.shape)
    else:
        nearest = np.argpartition(distances, count, axis=1)[:, : count + 1]
    if not ordered:
        return nearest
    order = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1)
    return np.take_along_axis(nearest, order, axis=1)
