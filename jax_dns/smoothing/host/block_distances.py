"""Distances from a block of queries to the candidates that can be among their nearest.

A product of matrices gives |x|^2 - 2 q.x, which orders x as the squared distance does: items carry
their norm in a further row, queries a one. If K is small beside the number of candidates, a limit
for each query drops most of them. Where all distances of a block fit in memory, the limit is the
K-th of the least of every few distances. Where they don't, the first columns are a fair sample of
all and give a limit that the K-th distance very likely doesn't exceed; rows for which it does are
computed again without one.
"""

import threading

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import DTypeLike

# A limit drops candidates if there are this many, and this many times K. With fewer, sorting whole
# rows in part is at least as fast, as NumPy does it with vector instructions.
MIN_FILTERED, FILTER_SHARE = 2**9, 32
MAX_WHOLE = 2**15  # candidates up to which the limit is found from all of them
FOLD_SHARE, MIN_FOLDED = 8, 2**7  # minima that give a limit: this many times K, at least this many
SAMPLE_SHARE = 16  # the sample is one candidate in this many
MIN_SAMPLE = 512
DEVIATIONS = 3  # the limit's rank in the sample exceeds its expectation: too low for 1 row in 700
MIN_ROWS, MAX_ROWS = 16, 2**9  # queries
SMALL_VALUES = 2**21  # distances of a block that may have more queries
BLOCK_VALUES = 2**23  # distances of a block that are kept
CHUNK, CHUNK_ROWS = 2**11, 2**8  # columns and queries of a product that stays in a core's cache
TURNED_ROWS = 2**6  # transposed at once: in a core's cache, which is ten times as fast


class Scratch(threading.local):
    """Memory of a thread that one block after the other uses.

    New memory of this size comes from the system, which clears it: an eighth of a product's time.
    """

    def __init__(self) -> None:
        self._memory: dict[str, np.ndarray] = {}

    def array(
        self, use: str, shape: tuple[int, int], dtype: DTypeLike
    ) -> Shaped[np.ndarray, "b n"]:
        """Returns an undefined array, which the thread's next call for this use overwrites."""
        size = shape[0] * shape[1] * np.dtype(dtype).itemsize
        if use not in self._memory or self._memory[use].size < size:
            self._memory[use] = np.empty(size, np.uint8)
        return self._memory[use][:size].view(dtype).reshape(shape)


def add_norms(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "e n"]:
    """Appends |x|^2 to each item and turns items into columns: products are fastest that way."""
    n, d = features.shape
    out = np.empty((d + 1, n), features.dtype)
    for first in range(0, n, TURNED_ROWS):
        out[:d, first : first + TURNED_ROWS] = features[first : first + TURNED_ROWS].T
    out[d] = np.einsum("ij,ij->i", features, features, dtype=np.float64)
    return out


def to_factors(query_features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m e"]:
    """Makes the queries' factor of the product with `add_norms`' items."""
    return np.concatenate([-2 * query_features, np.ones_like(query_features[:, :1])], axis=1)


def rows_in_block(n: int, count: int) -> int:
    """Chooses how many queries to compare with n candidates at once."""
    most = CHUNK_ROWS if is_sampled(n, count) else max(MAX_ROWS, SMALL_VALUES // n)
    return int(np.clip(BLOCK_VALUES // kept_columns(n, count), MIN_ROWS, most))


def kept_columns(n: int, count: int) -> int:
    """Estimates how many of n candidates are kept for each query."""
    return 2 * count if is_sampled(n, count) else n


def is_filtered(n: int, count: int) -> bool:
    """Returns whether a limit drops most of n candidates."""
    return n >= max(FILTER_SHARE * count, MIN_FILTERED)


def is_sampled(n: int, count: int) -> bool:
    """Returns whether the limit comes from a sample: n candidates are too many to keep all."""
    return is_filtered(n, count) and n > MAX_WHOLE


def rounding_error(
    threshold: Float[np.ndarray, "*k b"], query_norms: Float[np.ndarray, " b"], d: int
) -> Float[np.ndarray, "*k b"]:
    """Bounds the rounding of values near a threshold, as rounding errors of d terms add up.

    Args:
      threshold: [b] of |x|^2 - 2 q.x, or [k, b].
      query_norms: [b] |q|^2.
      d: columns of the features.

    Returns:
      [b], or [k, b].
    """
    distance = np.sqrt(np.maximum(threshold + query_norms, 0))
    unit = float(np.finfo(threshold.dtype).eps / 2 * (4 + np.sqrt(d)))
    return unit * (query_norms + (np.sqrt(query_norms) + distance) ** 2)


def candidate_distances(
    queries: Float[np.ndarray, "b e"],
    query_norms: Float[np.ndarray, " b"],
    items: Float[np.ndarray, "e n"],
    self_index: Int[np.ndarray, " b"],
    count: int,
    scratch: Scratch,
) -> tuple[Float[np.ndarray, "b c"], Int[np.ndarray, "*b c"]]:
    """Computes |x|^2 - 2 q.x for the candidates that can be among the nearest.

    Args:
      queries: [b, d + 1] of `to_factors`.
      query_norms: [b] |q|^2.
      items: [d + 1, n] of `add_norms`, in pseudo-random order.
      self_index: [b] position of the item that is no candidate of the query; -1: none.
      count: how many nearest are needed.
      scratch: may hold the distances.

    Returns:
      Distances [b, c], infinite where there is no candidate, and their positions among the items,
      [b, c], or [c] where they are the same for all queries. All distances that exceed the
      `count`-th by at most twice its rounding error are among them.
    """
    n = items.shape[1]
    if is_sampled(n, count):
        return _filter_by_sample(queries, query_norms, items, self_index, count)
    out = scratch.array("distances", (len(queries), n), items.dtype)
    distances = _all_distances(queries, items, self_index, out)
    if not is_filtered(n, count):
        return distances, np.arange(n)
    limit = fold_limit(distances, count)
    limit += 4 * rounding_error(limit, query_norms, len(items) - 1)
    position = np.flatnonzero(distances <= limit[:, None])
    return to_rectangle(position, distances.ravel()[position], distances.shape)


def fold_limit(distances: Float[np.ndarray, "b n"], count: int) -> Float[np.ndarray, " b"]:
    """Finds for each row a limit that at least `count` distances, and few more, don't exceed.

    It is the `count`-th of the least distances of every few columns.
    """
    rows, n = distances.shape
    parts = max(1, n // max(FOLD_SHARE * count, MIN_FOLDED))
    width = n // parts
    least = distances[:, : parts * width].reshape(rows, parts, width).min(1)
    return np.partition(least, count - 1, axis=1)[:, count - 1]


def _filter_by_sample(
    queries, query_norms, items, self_index, count: int
) -> tuple[Float[np.ndarray, "b c"], Int[np.ndarray, "b c"]]:
    shape, d = (len(queries), items.shape[1]), len(items) - 1
    limit = _sample_limit(queries, items, self_index, count)
    position, value = _values_below(
        queries, items, self_index, limit + 4 * rounding_error(limit, query_norms, d)
    )
    values, columns = to_rectangle(position, value, shape)
    is_short = (values <= limit[:, None]).sum(1) < count
    if is_short.any():
        short = np.flatnonzero(is_short)
        every = _all_distances(queries[short], items, self_index[short])
        limit = fold_limit(every, count)
        limit += 4 * rounding_error(limit, query_norms[short], d)
        row, column = np.nonzero(every <= limit[:, None])
        rest = ~is_short[position // shape[1]]
        position = np.append(position[rest], short[row] * shape[1] + column)
        value = np.append(value[rest], every[row, column])
        order = np.argsort(position)
        values, columns = to_rectangle(position[order], value[order], shape)
    return values, columns


def _all_distances(queries, items, self_index, out=None) -> Float[np.ndarray, "b n"]:
    distances = np.matmul(queries, items, out=out)
    rows = np.flatnonzero(self_index >= 0)
    distances[rows, self_index[rows]] = np.inf
    return distances


def _sample_limit(queries, items, self_index, count: int) -> Float[np.ndarray, " b"]:
    """Returns what the `count`-th distance very likely doesn't exceed."""
    n = items.shape[1]
    sample = max(MIN_SAMPLE, n // SAMPLE_SHARE)
    distances = _all_distances(
        queries, items[:, :sample], np.where(self_index < sample, self_index, -1)
    )
    expected = sample * count / n
    rank = int(min(np.ceil(expected + DEVIATIONS * np.sqrt(expected) + 1), sample - 1))
    return np.partition(distances, rank, axis=1)[:, rank]


def _values_below(queries, items, self_index, limit) -> tuple[np.ndarray, np.ndarray]:
    """Returns positions row by row, and values, of all distances up to each row's limit."""
    rows, columns, values = [], [], []
    for first in range(0, items.shape[1], CHUNK):
        chunk = queries @ items[:, first : first + CHUNK]
        width = chunk.shape[1]
        mine = np.flatnonzero((self_index >= first) & (self_index < first + width))
        chunk[mine, self_index[mine] - first] = np.inf
        position = np.flatnonzero(chunk <= limit[:, None])
        row = position // width
        rows.append(row)
        columns.append(position - (row * width - first))
        values.append(chunk.ravel()[position])
    row, column, value = map(np.concatenate, (rows, columns, values))
    order = np.argsort(row.astype(np.int16), kind="stable")
    return (row * items.shape[1] + column)[order], value[order]


def to_rectangle(
    position: Int[np.ndarray, " h"], value: Float[np.ndarray, " h"], shape: tuple[int, int]
) -> tuple[Float[np.ndarray, "b c"], Int[np.ndarray, "b c"]]:
    """Gathers selected values of a matrix at the front of their rows.

    Args:
      position: [h] of the values in the matrix, row by row, ascending.
      value: [h].
      shape: of the matrix.

    Returns:
      Values [b, c], infinite where a row has fewer than others, and their columns, 0 there.
    """
    first_of_row = shape[1] * np.arange(shape[0] + 1)
    start = np.searchsorted(position, first_of_row)
    counts = np.diff(start)
    within = np.arange(counts.max())
    at, missing = start[:-1, None] + within, within >= counts[:, None]
    values = value.take(at, mode="clip")
    columns = position.take(at, mode="clip") - first_of_row[:-1, None]
    np.copyto(values, np.inf, where=missing)
    np.copyto(columns, 0, where=missing)
    return values, columns
