"""Smoothing against a history too large for the memory, read in chunks from its file.

Each query keeps its K - 1 nearest so far; a chunk's distances are appended and the nearest of both
are kept. One pass over the file, m x n distances, memory for one chunk.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.feature_space import Frame, divide_by_power, to_frame, to_metric_space
from jax_dns.smoothing.partition import number_groups, partition_by_group
from jax_dns.smoothing.reference import Queries, block_distances, make_candidates, split_rows
from jax_dns.smoothing.validation import SmoothingInputs

CHUNK_BYTES = 2**26  # of features read at once
BLOCK = 256  # queries
SAMPLED_ROWS, MIN_SAMPLED_ROWS = 2**12, 2**6  # in all, and of a group


def is_streamed(inputs: SmoothingInputs) -> bool:
    """Whether a history stays in its file: memory-mapped and beyond a quarter of the memory."""
    if inputs.exclude_self or not isinstance(inputs.features, np.memmap):
        return False
    stats = jax.local_devices()[0].memory_stats() or {}
    return inputs.features.size * 4 > stats.get("bytes_limit", 2**33) // 4


def smooth_streamed(inputs: SmoothingInputs) -> Float[Array, "1 m"]:
    """Smooths queries over a history in a file (Eq. 7).

    Args:
      inputs: `features` memory-mapped, one K above 1.

    Returns:
      [1, m].
    """
    real = jax.dtypes.canonicalize_dtype(np.float64)
    (k,), m, (n, d) = inputs.ks, len(inputs.query_scores), inputs.features.shape
    size = max(1, min(n, CHUNK_BYTES // (4 * d)))
    group, query_group, n_groups = number_groups(inputs.groups, inputs.query_groups)
    frames = sample_frames(inputs, group, n_groups)

    def prepare(features: np.ndarray, group: Int[np.ndarray, " r"]) -> Float[np.ndarray, "r d"]:
        # In float64, as the directions of rows may be near each other.
        x = to_metric_space(np.asarray(features, real).astype(np.float64), inputs.metric)
        return to_frame(x, Frame(*(field[group] for field in frames))).astype(real)

    queries = Queries(
        jnp.asarray(prepare(inputs.query_features, query_group)),
        jnp.asarray(query_group, jnp.int32),
        jnp.full(m, -1),
    )
    best = jnp.full((m, k - 1), jnp.inf, real), jnp.zeros((m, k - 1), real)
    pool, scores = np.asarray(inputs.pool), np.asarray(inputs.scores, real)
    for first in range(0, n, size):
        rows = np.arange(first, min(first + size, n))
        fill = np.arange(size) % len(rows)  # the last chunk repeats its rows, out of the pool
        chunk = prepare(inputs.features[first : first + size], group[rows])
        best = _merge_chunk(
            best,
            queries,
            jnp.asarray(chunk[fill]),
            jnp.asarray(scores[rows[fill]]),
            jnp.asarray(group[rows[fill]], jnp.int32),
            jnp.asarray(pool[rows[fill]] & (np.arange(size) < len(rows))),
            block=min(BLOCK, m),
        )
    return ((jnp.asarray(inputs.query_scores, real) + best[1].sum(1)) / k)[None]


def sample_frames(inputs: SmoothingInputs, group: Int[np.ndarray, " n"], n_groups: int) -> Frame:
    """Fits each group's frame to random candidates, so that the file is read only once.

    s random rows miss the mean by about 1 / sqrt(s) of a row's distance from it, in whatever order
    the file is. Evenly spaced rows fail on periodic files: they missed it by a whole distance, and
    rounding was four times that around the mean (d = 512), at the limit of what `smooth` calls
    exact.

    Args:
      inputs: `features` memory-mapped.
      group: [n] group number of each row; from `n_groups` on for rows to leave out.
      n_groups: how many groups there are.

    Returns:
      Frames of all numbers up to `n_groups`, the last one for rows to leave out.
    """
    real, d = jax.dtypes.canonicalize_dtype(np.float64), inputs.features.shape[1]
    exponent, origin = np.zeros(n_groups + 1, np.int32), np.zeros((n_groups + 1, d))
    blocks = partition_by_group(
        group, np.asarray(inputs.pool), np.arange(n_groups), n_groups, exclude_self=False
    )
    size = max(SAMPLED_ROWS // n_groups, MIN_SAMPLED_ROWS)
    for number, block in enumerate(blocks):
        rng = np.random.default_rng(number)
        rows = np.sort(rng.choice(block.rows, min(size, len(block.rows)), replace=False))
        x = np.asarray(inputs.features[rows], real).astype(np.float64)
        x = to_metric_space(x, inputs.metric)
        exponent[number] = np.frexp(np.abs(x).max())[1]
        origin[number] = divide_by_power(x, exponent[number]).mean(0)
    return Frame(exponent, origin)


@functools.partial(jax.jit, static_argnames=("block",))
def _merge_chunk(
    best: tuple[Float[Array, "m k"], Float[Array, "m k"]],
    queries: Queries,
    chunk: Float[Array, "c d"],
    scores: Float[Array, " c"],
    groups: Int[Array, " c"],
    pool: Bool[Array, " c"],
    *,
    block: int,
) -> tuple[Float[Array, "m k"], Float[Array, "m k"]]:
    """Returns distances and scores of the nearest among the best so far and a chunk's rows."""
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
