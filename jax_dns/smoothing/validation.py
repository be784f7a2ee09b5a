"""Checks of smoothing's arguments, and their errors."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.smoothing.engine import pruning
from jax_dns.smoothing.memory_estimate import check_fits, needed_bytes, streamed_bytes
from jax_dns.smoothing.partition import number_groups
from jax_dns.smoothing.reference import METRICS
from jax_dns.smoothing.sharded.arrays import find_invalid_row, is_sharded, to_host, with_auto_axes
from jax_dns.smoothing.streaming import is_streamed
from jax_dns.types import ArrayLike

CHECKED_ROWS = 2**16  # at once, so that a memory-mapped array is never read whole


class SmoothingInputs(NamedTuple):
    """Checked arguments in the working type, as JAX arrays; groups and pool as given.

    Features of a streamed history stay in their file (see `streaming.is_streamed`).
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
    """Checks smoothing's arguments and moves them to the device.

    Args:
      scores: [n] floating.
      features: [n, d] floating.
      ks: the Ks.
      groups: [n] integers or None.
      pool: [n] booleans or None.
      metric: one of METRICS.
      queries: (scores [m], features [m, d], groups [m] or None), or None if the items are their
        own queries.
      block_size: queries in a block, for the memory that they take.

    Returns:
      The arguments with defaults filled in.

    Raises:
      InputError: names the argument, the value and the limit, or the memory that it needs and the
        memory available. Values (finiteness, k against the number of candidates) are left
        unchecked if an argument is traced.
    """
    if metric not in METRICS:
        raise InputError(f"metric: {metric!r}, expected one of {', '.join(METRICS)}")
    scores, features, groups, pool = map(_to_array, (scores, features, groups, pool))
    n = _check_pair("", scores, features, metric)
    groups = _check_groups("groups", groups, n)
    pool = _check_pool(pool, n)
    arguments: tuple[Any, ...] = (scores, features, groups, pool)
    query_groups, own_pool = groups, pool
    if queries is not None:
        query_scores, query_features, query_groups = map(_to_array, queries)
        m = _check_pair("query_", query_scores, query_features, metric)
        if np.shape(query_features)[1] != np.shape(features)[1]:
            raise InputError(
                f"query_features: {_describe(query_features)}, "
                f"expected {np.shape(features)[1]} columns as features has"
            )
        query_groups, own_pool = _check_groups("query_groups", query_groups, m), None
        arguments += (query_scores, query_features, query_groups)
    ks = _check_ks(ks)
    if max(ks) > 1 and not any(is_traced(x) for x in (groups, pool, query_groups)):
        counts = candidate_counts(groups, pool, query_groups, own_pool)
        row = int(counts.argmin())
        if max(ks) > 1 + counts[row]:
            raise InputError(
                f"k: {max(ks)}, expected at most {1 + counts[row]}: "
                f"item {row} has {counts[row]} candidates"
            )
    real = jax.dtypes.canonicalize_dtype(np.float64)
    streamed = queries is not None and is_streamed(features)
    if not is_traced(features):
        _check_memory(arguments, ks, real.itemsize, streamed=streamed, block_size=block_size)
    types = (real, None if streamed else real, None, None, real, real, None)
    arrays = [x if dtype is None else jnp.asarray(x, dtype) for x, dtype in zip(arguments, types)]
    return SmoothingInputs(*arrays[:4], ks, *arrays[4:])


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


def _check_pair(prefix: str, scores: Any, features: Any, metric: str) -> int:
    """Checks scores and features of the items or of the queries; returns their number."""
    pair = (f"{prefix}scores", scores, 1), (f"{prefix}features", features, 2)
    for name, x, rank in pair:
        if np.ndim(x) != rank or not jnp.issubdtype(x.dtype, jnp.floating):
            raise InputError(f"{name}: {_describe(x)}, expected {rank} dimensions, floating")
        if np.size(x) == 0:
            raise InputError(f"{name}: {_describe(x)}, expected at least one row and one column")
    n = len(scores)
    if len(features) != n:
        raise InputError(
            f"{prefix}features: {_describe(features)}, expected {n} rows as {prefix}scores has"
        )
    for name, x, _ in pair:
        if is_sharded(x) and not x.is_fully_replicated:
            _check_sharded(name, x, metric)
        elif not is_traced(x):
            for first in range(0, n, CHECKED_ROWS):
                _check_values(name, x[first : first + CHECKED_ROWS], first, metric)
    return n


def _check_values(name: str, x: Any, first: int, metric: str) -> None:
    """Checks rows from number `first` on."""
    # In the working type: a float64 value beyond float32's range is infinite there.
    with np.errstate(over="ignore"):
        x = np.asarray(x).astype(jax.dtypes.canonicalize_dtype(np.float64), copy=False)
    x = x.reshape(len(x), -1)
    invalid = ~np.isfinite(x).all(1)
    if invalid.any():
        row = int(invalid.argmax())
        value = x[row][~np.isfinite(x[row])][0]
        raise InputError(f"{name}: row {first + row} holds {value}, expected finite values")
    if metric == "cosine" and name.endswith("features") and not x.any(1).all():
        row = first + int((~x.any(1)).argmax())
        raise InputError(f"{name}: row {row} is zero, which has no direction (metric cosine)")


def _check_sharded(name: str, x: jax.Array, metric: str) -> None:
    """Checks rows on the devices that hold them."""
    row, value, zero = find_invalid_row(x.astype(jax.dtypes.canonicalize_dtype(np.float64)))
    if row is not None:
        raise InputError(f"{name}: row {row} holds {value}, expected finite values")
    if metric == "cosine" and name.endswith("features") and zero is not None:
        raise InputError(f"{name}: row {zero} is zero, which has no direction (metric cosine)")


def _check_memory(
    arguments: tuple, ks: tuple[int, ...], itemsize: int, *, streamed: bool, block_size: int | None
) -> None:
    """Compares the memory that smoothing needs with the memory available."""
    features = arguments[1]
    (n, d), m = np.shape(features), len(arguments[4]) if len(arguments) > 4 else 0
    if streamed:
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
    check_fits(needed, f"features: {_describe(features)}", devices=devices)


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


def _to_array(x: Any) -> Any:
    """Converts lists; leaves arrays, traced values and None as they are."""
    if is_sharded(x):
        return with_auto_axes(x)
    return x if x is None or hasattr(x, "dtype") else np.asarray(x)


def _describe(x: Any) -> str:
    return f"shape {list(np.shape(x))} of {x.dtype}"
