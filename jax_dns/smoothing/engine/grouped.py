"""Smoothing's fast path: which rows meet which, block by block, and the mean below a threshold.

Groups and pools whose values are known are taken apart on the host: the queries of a group meet the
pool of that group, in arrays padded to few different sizes. Under `jit` and `vmap` they may be
traced; then all meet all under a mask.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine import halving as shortlist
from jax_dns.smoothing.engine import pruning
from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.gpu_blocks import runs_on_gpu, smooth_on_gpu
from jax_dns.smoothing.engine.neighbor_means import bounds, means
from jax_dns.smoothing.engine.pruning import ChunkedCandidates, QueryBlock
from jax_dns.smoothing.reference import to_metric_space
from jax_dns.smoothing.validation import SmoothingInputs, is_traced
from jax_dns.types import ArrayLike

# Beyond 32 MiB glibc maps a block anew for each product: twice the time, half of it page faults.
CPU_ROWS, CPU_BLOCK = 128, 2**23 - 2**16
DEVICE_BLOCK = 2**30  # and at most a 64th of the memory; features are read once for a block
ON_CHIP, MATRIX_UNIT = 2**24, 128  # values; rows
PLAIN = 2**13  # n x k; on CPU within 1 ms of each other at n = 500, k = 16
GOLDEN = 0.6180339887


class GroupBlock(NamedTuple):
    """Rows of the items and of the queries that meet; `own` is a query's place in `rows`, or -1."""

    rows: Int[np.ndarray, " r"]
    queries: Int[np.ndarray, " q"]
    own: Int[np.ndarray, " q"]


class Mask(NamedTuple):
    """Groups and pool that are known only as the program runs."""

    groups: Int[Array, " n"]
    pool: Bool[Array, " n"]
    query_groups: Int[Array, " m"]


def smooth_by_selection(
    problem: SmoothingInputs,
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    query_groups: Int[ArrayLike, " m"],
    *,
    own: bool,
    metric: str,
    block_size: int | None,
) -> Float[Array, "k m"]:
    """Eq. 7 for all of `problem.ks`, without sorting.

    Args:
      problem: items and Ks.
      query_scores: [m].
      query_features: [m, d].
      query_groups: [m].
      own: whether query i is item i, which is then no candidate of its own.
      metric: "euclidean" or "cosine".
      block_size: queries in a block; None chooses.

    Returns:
      [len(ks), m].
    """
    n, m = len(problem.scores), len(query_scores)
    groups, pool = problem.groups, problem.pool
    mask = None
    if any(is_traced(x) for x in (groups, pool, query_groups)):
        mask = Mask(jnp.asarray(groups), jnp.asarray(pool), jnp.asarray(query_groups))
        meetings = [make_group_block(np.arange(n), np.arange(m), n, own)]
    else:
        meetings = partition_by_group(
            np.asarray(groups), np.asarray(pool), np.asarray(query_groups), own
        )
    features, query_features = _centred(problem.features, query_features, metric=metric)
    out = jnp.zeros((len(problem.ks), m), query_scores.dtype)
    on_gpu = mask is None and runs_on_gpu(out, features, query_features, problem.scores)
    for meeting in meetings:
        if on_gpu:
            smoothed = smooth_on_gpu(
                out,
                problem.scores,
                features,
                query_scores,
                query_features,
                *meeting,
                ks=problem.ks,
                block_size=block_size,
            )
            if smoothed is not None:
                out = smoothed
                continue
        size = len(meeting.rows), len(meeting.queries)
        many = len(meetings) > 1
        columns = bucket(size[0]) if many else size[0]
        leave_out = block_size is None and mask is None and not is_traced(features)
        leave_out = leave_out and pruning.is_worth_pruning(*size, max(problem.ks))
        if leave_out:
            meeting = _reorder_block(meeting, features, query_features, own)
            columns, block = pruning.chunked_columns(columns), pruning.ROWS
        else:
            columns = padded_columns(columns)
            block = min(block_size or block_rows(columns), size[1])
        wanted = -(-(bucket(size[1]) if many else size[1]) // block) * block
        out = _smooth_group(
            out,
            problem.scores,
            features,
            query_scores,
            query_features,
            _pad(meeting.rows, columns),
            np.int32(size[0]),
            _pad(meeting.queries, wanted),
            np.int32(size[1]),
            _pad(meeting.own, wanted),
            mask,
            ks=problem.ks,
            block=block,
            leave_out=leave_out,
        )
    return out


def partition_by_group(
    groups: np.ndarray, pool: np.ndarray, query_groups: np.ndarray, own: bool
) -> list:
    """Takes a problem apart: for each group of the queries its queries and its pool.

    Args:
      groups: [n].
      pool: [n].
      query_groups: [m].
      own: whether query i is item i.

    Returns:
      A Meeting for each group.
    """
    n = len(groups)
    values, inverse = np.unique(query_groups, return_inverse=True)
    if len(values) == 1:
        return [
            make_group_block(
                np.flatnonzero(pool & (groups == values[0])), np.arange(len(inverse)), n, own
            )
        ]
    by_query = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    place = np.minimum(np.searchsorted(values, groups), len(values) - 1)
    place = np.where(pool & (values[place] == groups), place, len(values))
    counts = np.bincount(place, minlength=len(values) + 1)
    by_item = np.split(np.argsort(place, kind="stable"), np.cumsum(counts)[:-1])
    return [make_group_block(rows, queries, n, own) for rows, queries in zip(by_item, by_query)]


def sorting_is_faster(n: int, k: int) -> bool:
    """Whether the plain path is to be taken, by a measured threshold."""
    return k == 1 or n * k <= PLAIN


def block_rows(columns: int, *, kind: str | None = None, memory: int | None = None) -> int:
    """Queries in a block: 32 MB of distances on CPU, a sixteenth of the memory elsewhere.

    On v5e and v6e 64 MB where that is rows enough for the matrix unit: as compiled for v5e, blocks
    of up to 100 MB never leave the chip. For v4 they do, and small ones cost twice the bytes.

    Args:
      columns: items that the block meets.
      kind: `device_kind` of a device that isn't here; None: JAX's own.
      memory: bytes of that device.
    """
    kind = kind or jax.local_devices()[0].device_kind
    if kind == "cpu":
        return int(np.clip(CPU_BLOCK // columns // 8 * 8, 8, CPU_ROWS))
    if memory is None:
        memory = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", 2**33)
    values = min(DEVICE_BLOCK, memory // 64)
    if kind.startswith("TPU") and "lite" in kind and ON_CHIP // columns >= MATRIX_UNIT:
        values = ON_CHIP
    return int(np.clip(values // columns // 8 * 8, 8, 4096))


@functools.partial(jax.jit, static_argnames=("metric",))
def _centred(
    features: Float[Array, "n d"], query_features: Float[Array, "m d"], *, metric: str
) -> tuple[Float[Array, "n d"], Float[Array, "m d"]]:
    features, query_features = (
        to_metric_space(features, metric),
        to_metric_space(query_features, metric),
    )
    mean = features.mean(0, keepdims=True)
    return features - mean, query_features - mean


@functools.partial(jax.jit, static_argnames=("ks", "block", "leave_out"))
def _smooth_group(
    out: Float[Array, "k m"],
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    rows: Int[Array, " r"],
    row_count: Int[Array, ""],
    queries: Int[Array, " q"],
    query_count: Int[Array, ""],
    own: Int[Array, " q"],
    mask: Mask | None,
    *,
    ks: tuple[int, ...],
    block: int,
    leave_out: bool,
) -> Float[Array, "k m"]:
    """Smooths the queries of one meeting and writes them into `out`."""
    m, r = out.shape[1], len(rows)
    scores, features = scores[rows], jax.lax.stop_gradient(features[rows])
    norms = jnp.sum(features**2, axis=1)
    longest = jnp.sqrt(jnp.max(norms))
    norms = jnp.where(jnp.arange(r) < row_count, norms, jnp.inf)

    def gather_queries(queries: Int[Array, "*q"], own: Int[Array, "*q"]) -> QueryBlock:
        q = jax.lax.stop_gradient(query_features[queries])
        return QueryBlock(query_scores[queries], q, own)

    def one_block(asked: QueryBlock, query_groups: Array | None = None) -> Float[Array, "k b"]:
        # Without the query's own norm, which changes no order.
        products = jnp.matmul(asked.features, features.T, precision=jax.lax.Precision.HIGHEST)
        near = norms[None, :] - 2 * products
        near = jnp.where(asked.own[:, None] == jnp.arange(r)[None, :], jnp.inf, near)
        total = row_count - (asked.own >= 0).astype(jnp.int32)
        if mask is not None:
            same = query_groups[:, None] == mask.groups[rows][None, :]
            near = jnp.where(same & mask.pool[rows][None, :], near, jnp.inf)
            total = jnp.isfinite(near).sum(1, dtype=jnp.int32)
        missing = padded_columns(r) - r  # where columns come in chunks
        near = jnp.pad(near, ((0, 0), (0, missing)), constant_values=jnp.inf)
        padded = jnp.pad(scores, (0, missing))
        low, high = bounds(asked.features, longest)
        many = r * len(queries) >= shortlist.LEAST_PAIRS
        return means(near, padded, asked.scores, low, high, total, ks=ks, halving=many)[0]

    def one_of_many(inputs: tuple[Array, Array]) -> Float[Array, "k b"]:
        groups = None if mask is None else mask.query_groups[inputs[0]]
        return one_block(gather_queries(*inputs), groups)

    blocks = queries.reshape(-1, block), own.reshape(-1, block)
    if leave_out:
        items = ChunkedCandidates(scores, features, norms, longest, row_count)
        parts = pruning.smooth_blocks(
            items, blocks, ks=ks, gather_queries=gather_queries, fallback=one_block
        )
    else:
        parts = jax.lax.map(one_of_many, blocks)
    smoothed = jnp.moveaxis(parts, 1, 0).reshape(len(ks), -1)
    to = jnp.where(jnp.arange(len(queries)) < query_count, queries, m)
    return out.at[:, to].set(smoothed, mode="drop", unique_indices=False)


def make_group_block(rows: np.ndarray, queries: np.ndarray, n: int, own: bool) -> GroupBlock:
    """A meeting whose rows come in an order without a pattern, any first part a fair sample."""
    step = max(1, round(GOLDEN * len(rows)))
    while np.gcd(step, len(rows)) > 1:
        step += 1
    rows = rows[np.arange(len(rows), dtype=np.int64) * step % max(1, len(rows))]
    place = np.full(n, -1, np.int32)
    place[rows] = np.arange(len(rows))
    mine = place[queries] if own else np.full(len(queries), -1)
    return GroupBlock(rows.astype(np.int32), queries.astype(np.int32), mine.astype(np.int32))


def _reorder_block(
    meeting: GroupBlock,
    features: Float[Array, "n d"],
    query_features: Float[Array, "m d"],
    own: bool,
) -> GroupBlock:
    """The meeting with alike items next to each other, and alike queries."""
    rows, queries = pruning.sort_by_centroid(
        features, query_features, meeting.rows, meeting.queries
    )
    place = np.full(len(features), -1, np.int32)
    place[rows] = np.arange(len(rows))
    return GroupBlock(rows, queries, place[queries] if own else np.full_like(queries, -1))


def bucket(size: int) -> int:
    """At most a quarter more: four sizes to a doubling, so that few programs are compiled."""
    part = max(1, 2 ** (max(size, 1).bit_length() - 3))
    return -(-size // part) * part


def _pad(x: np.ndarray, size: int) -> np.ndarray:
    return np.pad(x, (0, size - len(x)), mode="edge") if len(x) else np.zeros(size, x.dtype)
