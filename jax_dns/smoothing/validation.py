"""Checks of smoothing's arguments, and their errors."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.smoothing.feature_space import METRICS
from jax_dns.smoothing.partition import number_groups
from jax_dns.smoothing.sharded.arrays import find_invalid_row, is_sharded, to_host, with_auto_axes
from jax_dns.types import ArrayLike

CHECKED_ROWS = 2**16  # at once, so that a memory-mapped array is never read whole
# A device flushes values below 1e-38 to zero: features below this would lose digits.
MIN_ON_DEVICE = 2.0**-100


class SmoothingInputs(NamedTuple):
    """Checked arguments, as arrays; the queries are the items themselves if `exclude_self`."""

    scores: Float[ArrayLike, " n"]
    features: Float[ArrayLike, "n d"]
    groups: Int[ArrayLike, " n"]
    pool: Bool[ArrayLike, " n"]
    query_scores: Float[ArrayLike, " m"]
    query_features: Float[ArrayLike, "m d"]
    query_groups: Int[ArrayLike, " m"]
    ks: tuple[int, ...]
    metric: str
    exclude_self: bool  # query i is item i, which is then no candidate of its own
    block_size: int | None  # queries in a block; None: chosen
    largest: Float[Any, " n"] | None  # magnitude of each row of the features; None: not known

    def is_traced(self) -> bool:
        """Whether some values are only known when a compiled function runs."""
        return any(is_traced(x) for x in self)


def validate_inputs(
    scores: Any,
    features: Any,
    ks: Any,
    *,
    groups: Any,
    pool: Any,
    metric: str,
    queries: Any = None,
    block_size: int | None = None,
) -> SmoothingInputs:
    """Checks smoothing's arguments.

    Args:
      scores: [n] numbers, as an array or what `numpy.asarray` converts; so are all arrays.
      features: [n, d] numbers.
      ks: the Ks.
      groups: [n] integers or None.
      pool: [n] booleans or None.
      metric: one of METRICS.
      queries: (scores [m], features [m, d], groups [m] or None), or None if the items are their
        own queries.
      block_size: queries in a block; None: chosen.

    Returns:
      The arguments with defaults filled in.

    Raises:
      InputError: names the argument, the value and the limit. Values (finiteness, k against the
        number of candidates) are left unchecked if an argument is traced.
    """
    if metric not in METRICS:
        raise InputError(f"metric: {metric!r}, expected one of {', '.join(METRICS)}")
    scores, features = _to_floats("scores", scores), _to_floats("features", features)
    groups, pool = _to_array("groups", groups), _to_array("pool", pool)
    n, largest = _check_pair("", scores, features, metric)
    if queries is not None and (groups is None) != (queries[2] is None):
        given, missing = ("groups", "query_groups")[:: 1 if queries[2] is None else -1]
        raise InputError(f"{given}: given without {missing}, expected both or neither")
    groups, pool = _check_groups("groups", groups, n), _check_pool(pool, n)
    query_scores, query_features, query_groups, own_pool = scores, features, groups, pool
    if queries is not None:
        query_scores = _to_floats("query_scores", queries[0])
        query_features = _to_floats("query_features", queries[1])
        query_groups = _to_array("query_groups", queries[2])
        m, _ = _check_pair("query_", query_scores, query_features, metric)
        if np.shape(query_features)[1] != np.shape(features)[1]:
            raise InputError(
                f"query_features: {_describe(query_features)}, "
                f"expected {np.shape(features)[1]} columns as features has"
            )
        query_groups, own_pool = _check_groups("query_groups", query_groups, m), None
    ks = _check_ks(ks)
    if max(ks) > 1 and not any(is_traced(x) for x in (groups, pool, query_groups)):
        counts = candidate_counts(groups, pool, query_groups, own_pool)
        row = int(counts.argmin())
        if max(ks) > 1 + counts[row]:
            raise InputError(
                f"k: {max(ks)}, expected at most {1 + counts[row]}: "
                f"item {row} has {counts[row]} candidates"
            )
    return SmoothingInputs(
        scores,
        features,
        groups,
        pool,
        query_scores,
        query_features,
        query_groups,
        ks,
        metric,
        exclude_self=queries is None,
        block_size=block_size,
        largest=largest,
    )


def is_traced(x: Any) -> bool:
    """Whether a value is only known when a compiled function runs."""
    return isinstance(x, jax.core.Tracer)


def candidate_counts(
    groups: Int[Any, " n"], pool: Bool[Any, " n"], query_groups: Int[Any, " m"], own_pool: Any
) -> Int[np.ndarray, " m"]:
    """Counts each query's candidates.

    Args:
      groups: [n] of the items.
      pool: [n] which items may be neighbours.
      query_groups: [m].
      own_pool: [m] whether each query is itself an item of the pool; None: none of them is.

    Returns:
      [m].
    """
    group, query_group, n_groups = number_groups(groups, query_groups)
    in_pool = np.bincount(group, weights=np.asarray(pool), minlength=n_groups + 1).astype(int)
    counts = in_pool[query_group]
    return counts if own_pool is None else counts - np.asarray(own_pool).astype(int)


def check_device_range(inputs: SmoothingInputs) -> None:
    """Refuses features so small that a device would flush some of their digits to zero.

    Raises:
      InputError: names a row of a group in which all values are too small.
    """
    if inputs.largest is None:
        return
    group = np.arange(len(inputs.largest))
    if inputs.metric == "euclidean" and not is_traced(inputs.groups):
        group = np.unique(np.asarray(inputs.groups), return_inverse=True)[1]
    largest = np.zeros(int(group.max()) + 1)
    np.maximum.at(largest, group, inputs.largest)
    small = (largest[group] > 0) & (largest[group] < MIN_ON_DEVICE)
    if small.any():
        row = int(small.argmax())
        raise InputError(
            f"features: row {row} and its group have values of at most {largest[group[row]]:.1e}, "
            f"expected {MIN_ON_DEVICE:.1e} or more (multiply all by a power of two)"
        )


def _check_pair(prefix: str, scores: Any, features: Any, metric: str) -> tuple[int, Any]:
    """Checks scores and features of the items or of the queries.

    Returns:
      Their number, and the magnitude of each row of the features where it is known.
    """
    for name, x, rank in ((f"{prefix}scores", scores, 1), (f"{prefix}features", features, 2)):
        if np.ndim(x) != rank or not jnp.issubdtype(x.dtype, jnp.floating):
            raise InputError(f"{name}: {_describe(x)}, expected {rank} dimensions, numbers")
        if np.size(x) == 0:
            raise InputError(f"{name}: {_describe(x)}, expected at least one row and one column")
    n = len(scores)
    if len(features) != n:
        raise InputError(
            f"{prefix}features: {_describe(features)}, expected {n} rows as {prefix}scores has"
        )
    # A float64 feature beyond float32's range is infinite there; scores are scaled.
    _check_values(f"{prefix}scores", scores, scores.dtype, "")
    real = jax.dtypes.canonicalize_dtype(np.float64)
    return n, _check_values(f"{prefix}features", features, real, metric)


def _check_values(name: str, x: Any, dtype: Any, metric: str) -> Any:
    """Checks that values are finite in a type; returns the largest magnitude of each row."""
    if is_traced(x):
        return None
    if is_sharded(x) and not x.is_fully_replicated:
        row, value, zero = find_invalid_row(x.astype(dtype))
        largest, vanished = None, None
    else:
        largest, value, vanished = _row_magnitudes(x, dtype)
        row, zero = _first(~np.isfinite(largest)), _first(largest == 0)
    if row is not None:
        raise InputError(f"{name}: row {row} holds {value}, expected finite values")
    if vanished is not None:
        raise InputError(f"{name}: row {vanished} is zero in {dtype}, expected larger values")
    if metric == "cosine" and zero is not None:
        raise InputError(f"{name}: row {zero} is zero, which has no direction (metric cosine)")
    return largest


def _row_magnitudes(x: Any, dtype: Any) -> tuple[Float[np.ndarray, " n"], float | None, int | None]:
    """Measures rows in a type.

    Returns:
      The largest magnitude of each row, the first value that isn't finite, and the first row that
      only the type makes zero.
    """
    largest, value, vanished = np.empty(len(x), dtype), None, None
    for first in range(0, len(x), CHECKED_ROWS):
        given = np.asarray(x[first : first + CHECKED_ROWS])
        given = given.reshape(len(given), -1)
        with np.errstate(over="ignore", under="ignore"):
            chunk = given.astype(dtype, copy=False)
        rows = np.maximum(chunk.max(1), -chunk.min(1))
        largest[first : first + len(chunk)] = rows
        if value is None and (row := _first(~np.isfinite(rows))) is not None:
            value = float(chunk[row][~np.isfinite(chunk[row])][0])
        if vanished is None and chunk is not given:
            row = _first((rows == 0) & given.any(1))
            vanished = None if row is None else first + row
    return largest, value, vanished


def _first(x: Bool[np.ndarray, " n"]) -> int | None:
    return int(x.argmax()) if x.any() else None


def _check_groups(name: str, groups: Any, n: int) -> Any:
    if groups is None:
        return np.zeros(n, np.int32)
    if np.shape(groups) != (n,) or not jnp.issubdtype(groups.dtype, jnp.integer):
        raise InputError(f"{name}: {_describe(groups)}, expected [{n}] integers")
    if is_sharded(groups):
        groups = to_host(groups)
    if not is_traced(groups) and np.any(np.asarray(groups) != np.asarray(groups).astype(np.int32)):
        raise InputError(f"{name}: holds values beyond 32 bits, expected smaller ones")
    return groups


def _check_pool(pool: Any, n: int) -> Any:
    if pool is None:
        return np.ones(n, bool)
    if np.shape(pool) != (n,) or pool.dtype != bool:
        raise InputError(f"pool: {_describe(pool)}, expected [{n}] booleans")
    return to_host(pool) if is_sharded(pool) else pool


def _check_ks(ks: Any) -> tuple[int, ...]:
    ks = tuple(ks)
    for k in ks:
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise InputError(f"k: {k!r}, expected a whole number of at least 1")
    if not ks:
        raise InputError("ks: empty, expected at least one K")
    return tuple(map(int, ks))


def _to_floats(name: str, x: Any) -> Any:
    """Converts numbers to an array of a floating type; arrays of one are left as they are."""
    x = _to_array(name, x)
    if x.dtype == object:  # columns of a table that may have missing values
        try:
            return x.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}: {error}, expected numbers") from None
    if jnp.issubdtype(x.dtype, jnp.integer):
        return x.astype(np.float64 if isinstance(x, np.ndarray) else float)
    return x


def _to_array(name: str, x: Any) -> Any:
    """Converts lists, columns of tables and other libraries' tensors; leaves None as it is."""
    if is_sharded(x):
        return with_auto_axes(x)
    if x is None or isinstance(x, np.ndarray | jax.Array):
        return x
    try:
        return np.asarray(x)
    except Exception as error:  # of whatever library's conversion
        reason = str(error).partition("\n")[0]
        raise InputError(f"{name}: {reason}, expected what NumPy can convert") from None


def _describe(x: Any) -> str:
    return f"shape {list(np.shape(x))} of {x.dtype}"
