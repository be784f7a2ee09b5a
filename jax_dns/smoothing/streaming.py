"""New items against a history too large for the device, read once in chunks from its file.

Each query keeps its K - 1 nearest so far; a chunk's distances are set beside them and the nearest
of both are kept. One pass over the file, O(new x N) distances, memory for one chunk.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.reference import Queries, block_distances, make_candidates, to_metric_space

CHUNK_BYTES = 2**26  # of features read at once
BLOCK = 256  # queries at once
MEAN_ROWS = 2**12


def streams(features: object) -> bool:
    """Whether a history stays in its file: a memory-mapped one beyond the device's memory."""
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
    """Eq. 7 for queries against a history in a file.

    Args:
      query_scores: [m].
      query_features: [m, d].
      query_groups: [m].
      scores: [n].
      features: [n, d] memory-mapped.
      groups: [n].
      pool: [n].
      k: K.
      metric: "euclidean" or "cosine".

    Returns:
      [m].
    """
    n, d = features.shape
    m, size = len(query_scores), max(1, min(n, CHUNK_BYTES // (4 * d)))
    block = min(BLOCK, m)
    real = query_features.dtype
    query_features = to_metric_space(query_features, metric)
    origin = origin_of(features, metric=metric, dtype=real)
    queries = Queries(
        query_features - origin, jnp.asarray(query_groups, jnp.int32), jnp.full(m, -1)
    )
    best = jnp.full((m, k - 1), jnp.inf, real), jnp.zeros((m, k - 1), scores.dtype)
    for first in range(0, n, size):
        last = min(first + size, n)
        chunk = np.zeros((size, d), real)
        chunk[: last - first] = features[first:last]
        rows = np.minimum(np.arange(first, first + size), n - 1)
        there = pool[rows] & (np.arange(size) < last - first)
        best = _merge(
            best,
            queries,
            jnp.asarray(chunk),
            origin,
            scores[rows],
            jnp.asarray(groups[rows], jnp.int32),
            there,
            metric=metric,
            block=block,
        )
    return (query_scores + best[1].sum(1)) / k


def origin_of(features: np.ndarray, *, metric: str, dtype: jnp.dtype) -> Float[Array, "1 d"]:
    """About the mean of all rows, from few of them, so that the file is read once.

    Drawn at random, s rows miss the mean by about 1 / sqrt(s) of a row's distance from it, in
    whatever order the file is; rows at equal steps missed it by a whole distance where steps and
    file had a period in common, and rounding was four times that around the mean (d = 512), at the
    edge of what `smooth` calls exact.

    Args:
      features: [n, d] memory-mapped.
      metric: "euclidean" or "cosine".
      dtype: to work in.

    Returns:
      [1, d] in the space of distances.
    """
    n = len(features)
    rows = np.random.default_rng(0).choice(n, min(n, MEAN_ROWS), replace=False, shuffle=False)
    some = jnp.asarray(features[np.sort(rows)], dtype)
    return to_metric_space(some, metric).mean(0, keepdims=True)


@functools.partial(jax.jit, static_argnames=("metric", "block"))
def _merge(
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
    """The nearest of what was kept and of a chunk: distances and scores."""
    # Zero rows fill the last chunk; their direction is undefined, and they are out of the pool.
    chunk = jnp.where(pool[:, None], to_metric_space(chunk, metric) - origin, 0)
    items = make_candidates(chunk, groups, pool)

    def one_block(inputs: tuple[Array, Array, Queries]) -> tuple[Array, Array]:
        distances, kept, queries = inputs
        every = jnp.concatenate([distances, block_distances(queries, items)], axis=1)
        nearest, at = jax.lax.top_k(-every, distances.shape[1])
        of_chunk = jnp.broadcast_to(scores[None, :], (len(kept), len(scores)))
        every = jnp.concatenate([kept, of_chunk], axis=1)
        return -nearest, jnp.take_along_axis(every, at, axis=1)

    m = len(best[0])

    def blocks(x: Array) -> Array:
        padded = jnp.pad(x, [(0, -m % block)] + [(0, 0)] * (x.ndim - 1))
        return padded.reshape(-1, block, *x.shape[1:])

    merged = jax.lax.map(one_block, jax.tree.map(blocks, (*best, queries)))
    return tuple(x.reshape(-1, x.shape[-1])[:m] for x in merged)
