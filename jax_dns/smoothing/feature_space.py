"""The space in which Euclidean distances are computed: metric, scale and origin of each group.

Squared distances are computed as |q|^2 + |x|^2 - 2 q.x. Rounding these terms costs about 1e-7 of
the largest of them, so each group's features are first divided by a power of two, which keeps the
squares within the range of the type, and moved to the group's mean, which keeps them small.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

METRICS = ("euclidean", "cosine")
# A row may be 2^40 times as large as the group's candidates. Rows beyond are made smaller: from
# 2^21 times on, all candidates are equally far from them within the rule of exactness.
MAX_EXPONENT = 40


class Frame(NamedTuple):
    """Scale and origin: x is mapped to x / 2^exponent - origin."""

    exponent: Int[Any, "*n"]
    origin: Float[Any, "*n d"]


def to_metric_space(features: Float[Any, "n d"], metric: str) -> Float[Any, "n d"]:
    """Maps features so that Euclidean distance orders neighbours as `metric` does."""
    if metric == "euclidean":
        return features
    xp = features.__array_namespace__()
    exponent = xp.frexp(xp.abs(features).max(-1, keepdims=True))[1]
    scaled = divide_by_power(features, exponent)
    return scaled / xp.sqrt((scaled**2).sum(-1, keepdims=True))


def fit_frame(
    features: Float[Array, "n d"], valid: Bool[Array, " n"], *, axis: str | None = None
) -> Frame:
    """Fits the frame of one group's candidates.

    Args:
      features: [n, d] in the metric's space.
      valid: [n] which rows are candidates.
      axis: a mesh axis whose devices hold further candidates; None: none do.

    Returns:
      The frame: exponent [], origin [d].
    """

    def over_devices(reduce: Callable, x: Array) -> Array:
        return x if axis is None else reduce(x, axis)

    candidates = jnp.where(valid[:, None], features, 0)
    exponent = jnp.frexp(over_devices(jax.lax.pmax, jnp.abs(candidates).max()))[1]
    scaled = divide_by_power(candidates, exponent)
    count = jnp.maximum(over_devices(jax.lax.psum, valid.sum(dtype=features.dtype)), 1)

    def mean(x: Array) -> Array:
        return over_devices(jax.lax.psum, jnp.where(valid[:, None], x, 0).sum(0)) / count

    origin = mean(scaled)
    # Again, for the digits that the first sum lost if the candidates lie far from zero.
    return Frame(exponent, origin + mean(scaled - origin[None, :]))


def to_frame(features: Float[Any, "n d"], frame: Frame) -> Float[Any, "n d"]:
    """Scales and moves features to a group's frame, or each row to its own.

    Args:
      features: [n, d] in the metric's space.
      frame: of all rows (exponent [], origin [d]) or of each (exponent [n], origin [n, d]).

    Returns:
      [n, d]; rows beyond 2^MAX_EXPONENT are made smaller by a power of two.
    """
    xp = features.__array_namespace__()
    row = xp.frexp(xp.abs(features).max(-1))[1]
    exponent = xp.maximum(row - MAX_EXPONENT, frame.exponent)
    scaled = divide_by_power(features, exponent[:, None])
    origin = frame.origin if frame.origin.ndim == 2 else frame.origin[None, :]
    smaller = exponent - frame.exponent
    if xp is not jnp and not smaller.any():
        smaller = smaller[:1]  # the origin is divided once, not for each row
    return scaled - divide_by_power(origin, smaller[:, None])


def to_group_frames(
    features: Float[Array, "n d"],
    groups: Int[Array, " n"],
    pool: Bool[Array, " n"],
    query_features: Float[Array, "m d"],
    query_groups: Int[Array, " m"],
) -> tuple[Float[Array, "n d"], Float[Array, "m d"]]:
    """Maps items and queries to the frames of their groups; the groups may be traced.

    Args:
      features: [n, d] of the items, in the metric's space.
      groups: [n].
      pool: [n] which items are candidates; frames are fitted to these.
      query_features: [m, d] of the queries.
      query_groups: [m].

    Returns:
      [n, d] and [m, d].
    """
    n = len(groups)
    order = jnp.argsort(groups)
    values = groups[order]
    number = jnp.append(0, jnp.cumsum(values[1:] != values[:-1]))
    group = jnp.zeros_like(number).at[order].set(number)
    query_group = number[jnp.minimum(jnp.searchsorted(values, query_groups), n - 1)]
    candidates = jnp.where(pool[:, None], features, 0)
    largest = jax.ops.segment_max(jnp.abs(candidates).max(1), group, n)
    exponent = jnp.frexp(jnp.maximum(largest, 0))[1]
    scaled = divide_by_power(candidates, exponent[group][:, None])
    count = jnp.maximum(jax.ops.segment_sum(pool.astype(features.dtype), group, n), 1)

    def mean(x: Array) -> Array:
        sums = jax.ops.segment_sum(jnp.where(pool[:, None], x, 0), group, n)
        return sums / count[:, None]

    origin = mean(scaled)
    origin += mean(scaled - origin[group])
    frames = Frame(exponent, origin)
    return (
        to_frame(features, Frame(*(x[group] for x in frames))),
        to_frame(query_features, Frame(*(x[query_group] for x in frames))),
    )


def divide_by_power(x: Float[Any, "..."], exponent: Int[Any, "..."]) -> Float[Any, "..."]:
    """Returns x / 2^exponent, which is exact unless it underflows or overflows."""
    xp = x.__array_namespace__()
    # Two factors: 2^-exponent itself may be out of range.
    half, one = -(exponent // 2), xp.ones((), x.dtype)
    return x * xp.ldexp(one, half) * xp.ldexp(one, -exponent - half)
