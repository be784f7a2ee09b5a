"""Distances from a block of queries to the candidates that can be among their nearest.

A product of matrices gives |x|^2 - 2 q.x, which orders x as the squared distance does: items carry
their norm in a further column, queries a one. If K is small beside many candidates, most of them
are dropped as soon as a chunk of columns is computed: the first columns are a fair sample of all,
and give each query a limit that its K-th distance very likely doesn't exceed. Rows for which it
does are computed again without a limit. At n = 100,000, K = 1,024, d = 128 that takes 1.1 times the
product's time, where partial sorting of whole rows takes 2.3 times.
"""

import numpy as np
from jaxtyping import Float, Int

# From so many candidates, and so many times K, on they are filtered; up to there sorting whole rows
# in part, which NumPy does with vector instructions, is at least as fast.
MIN_FILTERED, FILTER_SHARE = 2**13, 32
SAMPLE_SHARE = 16  # the sample is one candidate in so many
MIN_SAMPLE = 512
CHUNK = 2**11  # columns: with MAX_ROWS rows a product stays in a core's cache
MIN_ROWS, MAX_ROWS = 16, 256  # queries
BLOCK_VALUES = 2**20  # distances of a block that are kept
DEVIATIONS = 3  # the limit's rank in the sample exceeds its expectation: too low for 1 row in 700


def add_norms(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n e"]:
    """Appends |x|^2 to each item."""
    norms = np.einsum("ij,ij->i", features, features, dtype=np.float64)
    return np.concatenate([features, norms[:, None].astype(features.dtype)], axis=1)


def to_factors(query_features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m e"]:
    """Makes the queries' factor of the product with `add_norms`' items."""
    return np.concatenate([-2 * query_features, np.ones_like(query_features[:, :1])], axis=1)


def rows_in_block(n: int, count: int) -> int:
    """Chooses how many queries to compare with n candidates at once."""
    return int(np.clip(BLOCK_VALUES // kept_columns(n, count), MIN_ROWS, MAX_ROWS))


def kept_columns(n: int, count: int) -> int:
    """Estimates how many of n candidates are kept for each query."""
    return 2 * count if is_filtered(n, count) else n


def is_filtered(n: int, count: int) -> bool:
    """Whether most of n candidates are dropped by a limit."""
    return n >= max(FILTER_SHARE * count, MIN_FILTERED)


def rounding_error(
    threshold: Float[np.ndarray, " b"], query_norms: Float[np.ndarray, " b"], d: int
) -> Float[np.ndarray, " b"]:
    """Bounds the rounding of values near a threshold, as rounding errors of d terms add up.

    Args:
      threshold: [b] of |x|^2 - 2 q.x.
      query_norms: [b] |q|^2.
      d: columns of the features.

    Returns:
      [b].
    """
    distance = np.sqrt(np.maximum(threshold + query_norms, 0))
    unit = float(np.finfo(threshold.dtype).eps / 2 * (4 + np.sqrt(d)))
    return unit * (query_norms + (np.sqrt(query_norms) + distance) ** 2)


def candidate_distances(
    queries: Float[np.ndarray, "b e"],
    query_norms: Float[np.ndarray, " b"],
    items: Float[np.ndarray, "n e"],
    self_index: Int[np.ndarray, " b"],
    count: int,
) -> tuple[Float[np.ndarray, "b c"], Int[np.ndarray, "*b c"]]:
    """Computes |x|^2 - 2 q.x for the candidates that can be among the nearest.

    Args:
      queries: [b, d + 1] of `to_factors`.
      query_norms: [b] |q|^2.
      items: [n, d + 1] of `add_norms`, in pseudo-random order.
      self_index: [b] position of the item that is no candidate of the query; -1: none.
      count: how many nearest are needed.

    Returns:
      Distances [b, c], infinite where there is no candidate, and their positions among the items,
      [b, c], or [c] where they are the same for all queries. All distances that exceed the
      `count`-th by at most twice its rounding error are among them.
    """
    n = len(items)
    if not is_filtered(n, count):
        return _all_distances(queries, items, self_index), np.arange(n)
    d = items.shape[1] - 1
    limit = _sample_limit(queries, items, self_index, count)
    hits = _values_below(
        queries, items, self_index, limit + 4 * rounding_error(limit, query_norms, d)
    )
    values, columns = to_rectangle(*hits, len(queries))
    is_short = (values <= limit[:, None]).sum(1) < count
    if is_short.any():
        short = np.flatnonzero(is_short)
        every = _all_distances(queries[short], items, self_index[short])
        limit = np.partition(every, count - 1, axis=1)[:, count - 1]
        limit += 4 * rounding_error(limit, query_norms[short], d)
        row, column = np.nonzero(every <= limit[:, None])
        rest = ~is_short[hits[0]]
        more = short[row], column, every[row, column]
        hits = [np.append(x[rest], y) for x, y in zip(hits, more)]
        values, columns = to_rectangle(*hits, len(queries))
    return values, columns


def _all_distances(queries, items, self_index) -> Float[np.ndarray, "b n"]:
    distances = queries @ items.T
    rows = np.flatnonzero(self_index >= 0)
    distances[rows, self_index[rows]] = np.inf
    return distances


def _sample_limit(queries, items, self_index, count: int) -> Float[np.ndarray, " b"]:
    """Returns what the `count`-th distance very likely doesn't exceed."""
    n = len(items)
    sample = max(MIN_SAMPLE, n // SAMPLE_SHARE)
    distances = _all_distances(
        queries, items[:sample], np.where(self_index < sample, self_index, -1)
    )
    expected = sample * count / n
    rank = int(min(np.ceil(expected + DEVIATIONS * np.sqrt(expected) + 1), sample - 1))
    return np.partition(distances, rank, axis=1)[:, rank]


def _values_below(queries, items, self_index, limit) -> tuple[np.ndarray, ...]:
    """Returns row, column and value of all distances up to each row's limit, chunk by chunk."""
    rows, columns, values = [], [], []
    for first in range(0, len(items), CHUNK):
        chunk = queries @ items[first : first + CHUNK].T
        width = chunk.shape[1]
        mine = np.flatnonzero((self_index >= first) & (self_index < first + width))
        chunk[mine, self_index[mine] - first] = np.inf
        position = np.flatnonzero(chunk <= limit[:, None])
        row = position // width
        rows.append(row)
        columns.append(position - (row * width - first))
        values.append(chunk.ravel()[position])
    return tuple(map(np.concatenate, (rows, columns, values)))


def to_rectangle(row, column, value, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Moves values to the front of their rows; infinite where a row has fewer than others."""
    order = np.argsort(row.astype(np.int16), kind="stable")
    counts = np.bincount(row, minlength=n_rows)
    shape = n_rows, int(counts.max())
    offset = shape[1] * np.arange(n_rows) - (np.cumsum(counts) - counts)
    place = np.arange(len(row)) + np.repeat(offset, counts)
    values, columns = np.full(shape, np.inf, value.dtype), np.zeros(shape, np.int32)
    values.ravel()[place], columns.ravel()[place] = value[order], column[order]
    return values, columns
