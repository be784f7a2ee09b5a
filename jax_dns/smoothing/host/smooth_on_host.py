"""Smoothing in NumPy, group by group, blocks of queries in threads.

Neighbours are those of a float64 loop over the features as given: candidates that the products in
the working type can't tell apart are looked at again (see `recheck`).
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from jax_dns.smoothing.feature_space import Frame, divide_by_power, to_frame, to_metric_space
from jax_dns.smoothing.host.block_distances import (
    add_norms,
    candidate_distances,
    rounding_error,
    rows_in_block,
    to_factors,
)
from jax_dns.smoothing.host.recheck import exact_pair_distances, recheck
from jax_dns.smoothing.partition import GroupBlock, number_groups, partition_by_group
from jax_dns.smoothing.sharded.arrays import to_host
from jax_dns.smoothing.validation import SmoothingInputs

CHUNK_ROWS = 2**13  # prepared at once


class HostItems(NamedTuple):
    """One group's candidates."""

    rows: Int[np.ndarray, " r"]  # their numbers
    scores: Float[np.ndarray, " r"]
    factors: Float[np.ndarray, "r e"]  # features in the group's frame, and squared norms
    frame: Frame


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
    for block in partition_by_group(
        group, inputs.pool, query_group, n_groups, exclude_self=inputs.exclude_self
    ):
        sums[:, block.queries] = _sum_group(inputs, block)
    return (inputs.query_scores.astype(np.float64) + sums) / np.asarray(inputs.ks)[:, None]


def _sum_group(inputs: SmoothingInputs, group: GroupBlock) -> Float[np.ndarray, "k q"]:
    """Sums the scores of each query's nearest candidates, blocks of queries in threads."""
    items = _prepare_items(inputs, group.rows)
    ranks = np.asarray(inputs.ks) - 1
    size = inputs.block_size or rows_in_block(len(group.rows), int(ranks.max()))
    blocks = [
        group._replace(
            queries=group.queries[first : first + size],
            self_index=group.self_index[first : first + size],
        )
        for first in range(0, len(group.queries), size)
    ]
    threads = min(len(blocks), _cores())
    if threads == 1:
        return np.concatenate([_sum_block(inputs, items, x, ranks) for x in blocks], axis=1)
    # Each thread multiplies by itself: a block's products are too small to be shared.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        sums = pool.map(lambda x: _sum_block(inputs, items, x, ranks), blocks)
        return np.concatenate(list(sums), axis=1)


def _prepare_items(inputs: SmoothingInputs, rows: Int[np.ndarray, " r"]) -> HostItems:
    """Gathers candidates and maps them to their frame, in chunks: one copy of the features."""
    n, d = len(rows), inputs.features.shape[1]
    starts = range(0, n, CHUNK_ROWS)

    def chunk(first: int) -> Float[np.ndarray, "c d"]:
        return _to_space(inputs.features[rows[first : first + CHUNK_ROWS]], inputs.metric)

    exponent = max(np.frexp(max(x.max(), -x.min()))[1] for x in map(chunk, starts))
    sums = (divide_by_power(x.sum(0, dtype=np.float64), exponent) for x in map(chunk, starts))
    frame = Frame(exponent, sum(sums) / n)
    factors = np.empty((n, d + 1), _working_type())
    for first in starts:
        factors[first : first + CHUNK_ROWS] = add_norms(_to_frame(chunk(first), frame))
    return HostItems(rows, inputs.scores[rows].astype(np.float64), factors, frame)


def _sum_block(
    inputs: SmoothingInputs, items: HostItems, block: GroupBlock, ranks: Int[np.ndarray, " k"]
) -> Float[np.ndarray, "k b"]:
    """Sums the scores of the `rank` nearest candidates of a block of queries, for all ranks."""
    count, ordered = int(ranks.max()), len(ranks) > 1
    queries = inputs.query_features[block.queries]
    q = _to_frame(_to_space(queries, inputs.metric), items.frame)
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


def _to_space(features: Float[np.ndarray, "n d"], metric: str) -> Float[np.ndarray, "n d"]:
    """Maps features to the metric's space; directions in float64, as rows may be close together."""
    features = features.astype(_working_type(), copy=False)
    return features if metric == "euclidean" else to_metric_space(features.astype(float), metric)


def _to_frame(features: Float[np.ndarray, "n d"], frame: Frame) -> Float[np.ndarray, "n d"]:
    return to_frame(features, frame).astype(_working_type())


def _working_type() -> np.dtype:
    return jax.dtypes.canonicalize_dtype(np.float64)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
