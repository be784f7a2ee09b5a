"""Smoothing in NumPy, group by group, blocks of queries in threads.

Neighbours are those of a float64 loop over the features as given: candidates that the products in
the working type can't tell apart are looked at again (see `recheck`).
"""

import numpy as np
from jaxtyping import Bool, Float, Int

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
    scores = items.scores[columns]
    # NumPy sorts values with vector instructions, and their positions many times more slowly.
    value = np.sort(distances) if ordered else np.partition(distances, count - 1)
    sums = np.empty((len(ranks), len(queries)))
    for out, rank in zip(sums, ranks.tolist()):
        threshold = value[:, rank - 1]
        following = value[:, rank : rank + 1 if ordered else None].min(1, initial=np.inf)
        out[:] = sum_where(distances <= threshold[:, None], scores)
        error = rounding_error(threshold, norms, q.shape[1])
        unsure = np.flatnonzero(following <= threshold + 2 * error)
        if len(unsure):
            rows = np.broadcast_to(items.rows[columns], distances.shape)[unsure]

            def exact(wanted, queries=queries[unsure], rows=rows):
                return exact_pair_distances(queries, inputs.features, rows, wanted, inputs.metric)

            out[unsure] = recheck(
                distances[unsure],
                threshold[unsure],
                error[unsure],
                rank,
                np.broadcast_to(scores, distances.shape)[unsure],
                exact,
            )
    return sums


def sum_where(
    near: Bool[np.ndarray, "b c"], scores: Float[np.ndarray, "*b c"]
) -> Float[np.ndarray, " b"]:
    """Sums each row's scores where `near`; scores [b, c], or [c], the same for all rows."""
    return np.einsum("...c,...c->...", near, scores)
