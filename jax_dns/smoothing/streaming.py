"""Smoothing against a history too large for the device, read once in chunks from its file.

Each query keeps its K - 1 nearest so far; a chunk's distances are appended and the nearest of both
are kept. One pass over the file, m x n distances, memory for one chunk.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.reference import (
    Queries,
    block_distances,
    make_candidates,
    split_rows,
    to_metric_space,
)

CHUNK_BYTES = 2**26  # of features read at once
BLOCK = 256  # queries
MEAN_ROWS = 2**12


def is_streamed(features: object) -> bool:
    """Whether a history stays in its file: memory-mapped and beyond a quarter of the memory."""
    if not isinstance(features, np.memmap):
        return False
    stats = jax.local_devices()[0].memory_stats() or {}
    return features.size * 4 > stats.get("bytes_limit", 2**33) // 4


def smooth_streamed(
    query_scores: Float[Array, " m"],
    query_features: Float[Array, "m d"],
    query_groups: Int[np.ndarray, " m"],
    scores: Float[Array, " n"],
    features: np.ndarray,
    groups: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    k: int,
    *,
    metric: str,
) -> Float[Array, " m"]:
    """Smooths queries over a history in a file (Eq. 7).

    Args:
      query_scores: [m].
      query_features: [m, d].
      query_groups: [m].
      scores: [n].
      features: [n, d] memory-mapped.
      groups: [n].
      pool: [n].
      k: K, the query itself counted.
      metric: "euclidean" or "cosine".

    Returns:
      [m].
    """
    n, d = features.shape
    m, size = len(query_scores), max(1, min(n, CHUNK_BYTES // (4 * d)))
    block = min(BLOCK, m)
    dtype = query_features.dtype
    query_features = to_metric_space(query_features, metric)
    origin = sample_mean(features, metric=metric, dtype=dtype)
    queries = Queries(
        query_features - origin, jnp.asarray(query_groups, jnp.int32), jnp.full(m, -1)
    )
    best = jnp.full((m, k - 1), jnp.inf, dtype), jnp.zeros((m, k - 1), scores.dtype)
    for first in range(0, n, size):
        last = min(first + size, n)
        chunk = np.zeros((size, d), dtype)
        chunk[: last - first] = features[first:last]
        rows = np.minimum(np.arange(first, first + size), n - 1)
        in_pool = pool[rows] & (np.arange(size) < last - first)
        best = _merge_chunk(
            best,
            queries,
            jnp.asarray(chunk),
            origin,
            scores[rows],
            jnp.asarray(groups[rows], jnp.int32),
            in_pool,
            metric=metric,
            block=block,
        )
    return (query_scores + best[1].sum(1)) / k


def sample_mean(features: np.ndarray, *, metric: str, dtype: jnp.dtype) -> Float[Array, "1 d"]:
    """Estimates the mean from random rows, so that the file is read only once.

    s random rows miss the mean by about 1 / sqrt(s) of a row's distance from it, in whatever order
    the file is. Evenly spaced rows fail on periodic files: they missed it by a whole distance, and
    rounding was four times that around the mean (d = 512), at the limit of what `smooth` calls
    exact.

    Args:
      features: [n, d] memory-mapped.
      metric: "euclidean" or "cosine".
      dtype: of the result.

    Returns:
      [1, d] in the metric's space.
    """
    n = len(features)
    rows = np.random.default_rng(0).choice(n, min(n, MEAN_ROWS), replace=False, shuffle=False)
    sample = jnp.asarray(features[np.sort(rows)], dtype)
    return to_metric_space(sample, metric).mean(0, keepdims=True)


@functools.partial(jax.jit, static_argnames=("metric", "block"))
def _merge_chunk(
    best: tuple[Float[Array, "m k"], Float[Array, "m k"]],
    queries: Queries,
    chunk: Float[Array, "c d"],
    origin: Float[Array, "1 d"],
    scores: Float[Array, " c"],
    groups: Int[Array, " c"],
    pool: Bool[Array, " c"],
    *,
    metric: str,
    block: int,
) -> tuple[Float[Array, "m k"], Float[Array, "m k"]]:
    """Returns distances and scores of the nearest among the best so far and a chunk's rows."""
    # Zero rows fill the last chunk; their direction is undefined, and they are out of the pool.
    chunk = jnp.where(pool[:, None], to_metric_space(chunk, metric) - origin, 0)
    items = make_candidates(chunk, groups, pool)

    def one_block(inputs: tuple[Array, Array, Queries]) -> tuple[Array, Array]:
        best_distances, best_scores, queries = inputs
        distances = jnp.concatenate([best_distances, block_distances(queries, items)], axis=1)
        nearest, position = jax.lax.top_k(-distances, best_distances.shape[1])
        chunk_scores = jnp.broadcast_to(scores[None, :], (len(best_scores), len(scores)))
        both_scores = jnp.concatenate([best_scores, chunk_scores], axis=1)
        return -nearest, jnp.take_along_axis(both_scores, position, axis=1)

    m = len(best[0])
    blocks = jax.tree.map(lambda x: split_rows(x, block), (*best, queries))
    merged = jax.lax.map(one_block, blocks)
    return tuple(x.reshape(-1, x.shape[-1])[:m] for x in merged)
