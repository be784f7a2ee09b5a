"""What smoothing refuses, and how it says so."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.smoothing.engine import pruning
from jax_dns.smoothing.memory_estimate import check_fits, needed_bytes, streamed_bytes
from jax_dns.smoothing.reference import METRICS
from jax_dns.smoothing.sharded.arrays import find_invalid_row, is_sharded, to_host, with_auto_axes
from jax_dns.smoothing.streaming import streams
from jax_dns.types import ArrayLike

CHECKED_ROWS = 2**16  # at once, so that a memory-mapped array is never read whole


class SmoothingInputs(NamedTuple):
    """Checked arguments in the working type, as JAX arrays; groups and pools as they came.

    Features stay in their file where they are a memory-mapped history (see `history.streams`).
    """

    scores: Float[Array, " n"]
    features: Float[ArrayLike, "n d"]
    groups: Int[ArrayLike, " n"]
    pool: Bool[ArrayLike, " n"]
    ks: tuple[int, ...]
    query_scores: Float[Array, " m"] | None = None
    query_features: Float[Array, "m d"] | None = None
    query_groups: Int[ArrayLike, " m"] | None = None


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
    """Checks smoothing's arguments and brings them to the device.

    Args:
      scores: [n] floating.
      features: [n, d] floating.
      ks: Ks.
      groups: [n] integers or None.
      pool: [n] booleans or None.
      metric: one of METRICS.
      queries: (scores [m], features [m, d], groups [m] or None), or None where the items are their
        own queries.
      block_size: queries in a block, for the memory that they take.

    Returns:
      The arguments with defaults filled in.

    Raises:
      InputError: names the argument, the value and the limit, or the memory that it needs and the
        memory at hand. Values (finiteness, k against the
        number of candidates) are left unchecked where an argument is traced.
    """
    if metric not in METRICS:
        raise InputError(f"metric: {metric!r}, expected one of {', '.join(METRICS)}")
    scores, features, groups, pool = map(_array, (scores, features, groups, pool))
    n = _check_pair("", scores, features, metric)
    groups = _check_groups("groups", groups, n)
    if is_sharded(pool):
        pool = to_host(pool)
    if pool is None:
        pool = np.ones(n, bool)
    elif np.shape(pool) != (n,) or pool.dtype != bool:
        raise InputError(f"pool: {_what(pool)}, expected [{n}] booleans")
    given: tuple[Any, ...] = (scores, features, groups, pool)
    query_groups, own_pool = groups, pool
    if queries is not None:
        query_scores, query_features, query_groups = map(_array, queries)
        m = _check_pair("query_", query_scores, query_features, metric)
        if np.shape(query_features)[1] != np.shape(features)[1]:
            raise InputError(
                f"query_features: {_what(query_features)}, "
                f"expected {np.shape(features)[1]} columns as features has"
            )
        query_groups, own_pool = _check_groups("query_groups", query_groups, m), None
        given += (query_scores, query_features, query_groups)
    ks = tuple(_check_k(k) for k in ks)
    if not ks:
        raise InputError("ks: empty, expected at least one K")
    if max(ks) > 1 and not any(is_traced(x) for x in (groups, pool, query_groups)):
        counts = candidate_counts(groups, pool, query_groups, own_pool)
        row = int(counts.argmin())
        if max(ks) > 1 + counts[row]:
            raise InputError(
                f"k: {max(ks)}, expected at most {1 + counts[row]}: "
                f"item {row} has {counts[row]} candidates"
            )
    real = jax.dtypes.canonicalize_dtype(np.float64)
    held = None if queries is not None and streams(features) else real
    if not is_traced(features):
        _check_memory(given, ks, real.itemsize, stays=held is None, block_size=block_size)
    types = (real, held, None, None, real, real, None)
    arrays = [x if dtype is None else jnp.asarray(x, dtype) for x, dtype in zip(given, types)]
    return SmoothingInputs(*arrays[:4], ks, *arrays[4:])


def is_traced(x: Any) -> bool:
    """Whether a value is only known when a compiled function runs."""
    return isinstance(x, jax.core.Tracer)


def candidate_counts(
    groups: Int[Any, " n"], pool: Bool[Any, " n"], query_groups: Int[Any, " m"], own_pool: Any
) -> Int[np.ndarray, " m"]:
    """How many candidates each query has.

    Args:
      groups: [n] of the items.
      pool: [n] which items may be neighbours.
      query_groups: [m].
      own_pool: [m] whether each query is itself an item of the pool; None: none of them is.

    Returns:
      [m].
    """
    values, inverse = np.unique(np.asarray(groups), return_inverse=True)
    in_pool = np.bincount(inverse, weights=np.asarray(pool), minlength=len(values)).astype(int)
    wanted = np.asarray(query_groups)
    where = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    counts = np.where(values[where] == wanted, in_pool[where], 0)
    return counts if own_pool is None else counts - np.asarray(own_pool).astype(int)


def _check_pair(prefix: str, scores: Any, features: Any, metric: str) -> int:
    """Checks scores and features of the items or of the queries; returns how many there are."""
    for name, x, rank in ((f"{prefix}scores", scores, 1), (f"{prefix}features", features, 2)):
        if np.ndim(x) != rank or not jnp.issubdtype(x.dtype, jnp.floating):
            raise InputError(f"{name}: {_what(x)}, expected {rank} dimensions, floating")
        if np.size(x) == 0:
            raise InputError(f"{name}: {_what(x)}, expected at least one row and one column")
    n = len(scores)
    if len(features) != n:
        raise InputError(
            f"{prefix}features: {_what(features)}, expected {n} rows as {prefix}scores has"
        )
    for name, x in ((f"{prefix}scores", scores), (f"{prefix}features", features)):
        if is_sharded(x) and not x.is_fully_replicated:
            _check_sharded(name, x, metric)
        elif not is_traced(x):
            for first in range(0, n, CHECKED_ROWS):
                _check_values(name, x[first : first + CHECKED_ROWS], first, metric)
    return n


def _check_values(name: str, x: Any, first: int, metric: str) -> None:
    """Checks some rows, the first of them number `first`."""
    # In the working type: a float64 value past float32's range is infinite there.
    with np.errstate(over="ignore"):
        x = np.asarray(x).astype(jax.dtypes.canonicalize_dtype(np.float64), copy=False)
    x = x.reshape(len(x), -1)
    bad = ~np.isfinite(x).all(1)
    if bad.any():
        row = int(bad.argmax())
        value = x[row][~np.isfinite(x[row])][0]
        raise InputError(f"{name}: row {first + row} holds {value}, expected finite values")
    if metric == "cosine" and name.endswith("features") and not x.any(1).all():
        row = first + int((~x.any(1)).argmax())
        raise InputError(f"{name}: row {row} is zero, which has no direction (metric cosine)")


def _check_sharded(name: str, x: jax.Array, metric: str) -> None:
    """Checks rows where they lie: no row comes to the host."""
    row, value, zero = find_invalid_row(x.astype(jax.dtypes.canonicalize_dtype(np.float64)))
    if row is not None:
        raise InputError(f"{name}: row {row} holds {value}, expected finite values")
    if metric == "cosine" and name.endswith("features") and zero is not None:
        raise InputError(f"{name}: row {zero} is zero, which has no direction (metric cosine)")


def _check_memory(
    given: tuple, ks: tuple[int, ...], itemsize: int, *, stays: bool, block_size: int | None
) -> None:
    """Checks what smoothing takes against the memory at hand, before anything is moved."""
    features = given[1]
    (n, d), m = np.shape(features), len(given[4]) if len(given) > 4 else 0
    if stays:
        check_fits(
            streamed_bytes(m, d, max(ks), itemsize=itemsize),
            f"query_features: {m} queries at k = {max(ks)}",
        )
        return
    devices = None
    if is_sharded(features):
        devices = sorted(features.sharding.device_set, key=lambda device: device.id)
    needed = needed_bytes(
        n,
        d,
        itemsize=itemsize,
        queries=m,
        block_size=block_size,
        devices=len(devices or [0]),
        moved=not isinstance(features, jax.Array),
    )
    if not devices and block_size is None and pruning.is_worth_pruning(n, m or n, max(ks)):
        needed += pruning.held_bytes(n, itemsize=itemsize)
    check_fits(needed, f"features: {_what(features)}", devices=devices)


def _check_groups(name: str, groups: Any, n: int) -> Any:
    if groups is None:
        return np.zeros(n, np.int32)
    if np.shape(groups) != (n,) or not jnp.issubdtype(groups.dtype, jnp.integer):
        raise InputError(f"{name}: {_what(groups)}, expected [{n}] integers")
    if is_sharded(groups):
        groups = to_host(groups)
    if not is_traced(groups) and np.any(np.asarray(groups) != np.asarray(groups).astype(np.int32)):
        raise InputError(f"{name}: holds values beyond 32 bits, expected smaller ones")
    return groups


def _check_k(k: Any) -> int:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"k: {k!r}, expected a whole number of at least 1")
    return int(k)


def _array(x: Any) -> Any:
    """Lists as arrays; arrays, traced values and None as they are."""
    if is_sharded(x):
        return with_auto_axes(x)
    return x if x is None or hasattr(x, "dtype") else np.asarray(x)


def _what(x: Any) -> str:
    return f"shape {list(np.shape(x))} of {x.dtype}"
