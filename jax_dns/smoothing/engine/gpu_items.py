"""Smooths items that are one group, each other's candidates, on a GPU without work on the host.

The ordinary path checks values on the host and numbers the items of each group there, which takes
several times as long as a GPU takes for a few thousand items. Here the arrays are uploaded as they
are, and checked and permuted on the device. Where an argument isn't plain or a value is invalid,
the ordinary path raises the error, or does the work.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.smoothing.engine.gpu_blocks import (
    DeviceGroup,
    Failures,
    has_gpu,
    product_precision,
    runs_on_gpu,
    smooth_again,
    smooth_group,
)
from jax_dns.smoothing.engine.gpu_plan import GpuPlan, make_plan, plan_rank
from jax_dns.smoothing.feature_space import METRICS, fit_frame, to_frame, to_metric_space
from jax_dns.smoothing.memory_estimate import check_fits
from jax_dns.smoothing.partition import GOLDEN_RATIO
from jax_dns.smoothing.validation import MIN_ON_DEVICE, SmoothingInputs
from jax_dns.types import ArrayLike

LOW_BITS = 11
MOST_ITEMS = 2**21  # `permuted` multiplies in 32 bits
COPIES = 5  # of the features: as they came, centred, padded, permuted, and one for the compiler


class NotForGpu(Exception):
    """The ordinary path must do the work, or raise the error."""


def plain_inputs(
    scores: Any, features: Any, ks: Any, *, metric: str, block_size: int | None
) -> SmoothingInputs | None:
    """Collects arguments that need no work on the host; the features' values are left unchecked.

    Args:
      scores: [n], not checked yet, as are all arguments.
      features: [n, d].
      ks: the Ks.
      metric: "euclidean" or "cosine".
      block_size: queries in a block; None chooses.

    Returns:
      The arguments. None where there is no GPU, or where an argument is invalid, traced, on several
      devices or not floating.
    """
    if not has_gpu() or metric not in METRICS or not isinstance(ks, tuple | list | range):
        return None
    if not _is_plain(scores, 1) or not _is_plain(features, 2) or len(scores) != len(features):
        return None
    ks, (n, d) = tuple(ks), features.shape
    if not ks or not all(_is_whole(k) and 1 <= k <= n for k in ks) or n > MOST_ITEMS or d == 0:
        return None
    if not np.isfinite(np.asarray(scores)).all():
        return None
    groups, pool = np.zeros(n, np.int32), np.ones(n, bool)
    items = scores, features, groups
    return SmoothingInputs(
        *items,
        pool,
        *items,
        ks=tuple(map(int, ks)),
        metric=metric,
        exclude_self=True,
        block_size=block_size,
        largest=None,
    )


def smooth_items_on_gpu(inputs: SmoothingInputs) -> Float[np.ndarray, "k n"]:
    """Smooths items with all others as their candidates.

    Args:
      inputs: of `plain_inputs`, scores scaled, every K above 1.

    Returns:
      [len(ks), n] float32.

    Raises:
      NotForGpu: the features are invalid or not on a GPU, `make_plan` declines, or the memory is
        short.
    """
    (n, d), ks = inputs.features.shape, inputs.ks
    plan = make_plan(n, n, max(ks), block_size=inputs.block_size)
    if plan is None:
        raise NotForGpu
    size = max(plan.columns, plan.queries)
    try:
        check_fits(4 * (COPIES * d * size + 2 * plan.block * plan.columns), "features")
    except InputError:
        raise NotForGpu from None
    with np.errstate(over="ignore", under="ignore"):
        arrays = jax.device_put(
            [x.astype(jnp.float32, copy=False) for x in (inputs.scores, inputs.features)]
        )
    if not runs_on_gpu(*arrays):
        raise NotForGpu
    allows_zero = inputs.metric == "euclidean" and inputs.features.dtype == np.float32
    options = dict(metric=inputs.metric, allows_zero=allows_zero)
    out, valid = smooth_arrays(*arrays, ks=ks, plan=plan, **options)
    if not valid:
        raise NotForGpu
    return out[:, :n]


def smooth_arrays(
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    *,
    ks: tuple[int, ...],
    plan: GpuPlan,
    metric: str,
    allows_zero: bool = True,
) -> tuple[Float[np.ndarray, "k p"], Bool[ArrayLike, ""]]:
    """Smooths arrays that are on the device; without a GPU the kernels are interpreted.

    Args:
      scores: [n].
      features: [n, d].
      ks: the Ks, at most n.
      plan: for n items and as many queries.
      metric: "euclidean" or "cosine".
      allows_zero: whether rows of zeros are valid.

    Returns:
      [len(ks), p] with n columns before the padding, on the host, and whether all values are valid.
    """
    n = len(scores)
    size = max(plan.columns, plan.queries)
    scores, features, valid = _prepare(
        scores, features, metric=metric, size=size, allows_zero=allows_zero
    )
    numbers = np.array([n, _coprime_step(n), plan_rank(plan, n, max(ks)), *ks], np.int32)
    options = dict(precision=product_precision(), interpret=jax.default_backend() != "gpu")
    out, group, failures = _smooth_prepared(scores, features, numbers, plan=plan, **options)
    # One wait for all: each takes longer than the programs of a few thousand items.
    host, valid, some_failed = jax.device_get((out, valid, failures.some))
    if valid and some_failed:
        items, ranks = (scores, features), np.asarray(ks, np.int32) - 1
        host = jax.device_get(smooth_again(out, *items, *items, group, ranks, failures.failed))
    return host, valid


@functools.partial(jax.jit, static_argnames=("metric", "size", "allows_zero"))
def _prepare(
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    *,
    metric: str,
    size: int,
    allows_zero: bool,
) -> tuple[Float[Array, " p"], Float[Array, "p d"], Bool[Array, ""]]:
    """Checks, maps to the items' frame and pads. Apart from the long program, which serves any n.

    Returns:
      Scores and features, and whether no value is infinite, too small or zero against the rules.
    """
    features = jax.lax.stop_gradient(features)
    rows = jnp.abs(features).max(1)
    largest = rows if metric == "cosine" else rows.max(keepdims=True)
    valid = jnp.isfinite(rows).all() & jnp.all((largest >= MIN_ON_DEVICE) | (largest == 0))
    valid &= allows_zero | jnp.all(rows > 0)
    features = to_metric_space(features, metric)
    features = to_frame(features, fit_frame(features, jnp.ones(len(features), bool)))
    missing = size - len(scores)
    return jnp.pad(scores, (0, missing)), jnp.pad(features, ((0, missing), (0, 0))), valid


@functools.partial(jax.jit, static_argnames=("plan", "precision", "interpret"))
def _smooth_prepared(
    scores: Float[Array, " p"],
    features: Float[Array, "p d"],
    numbers: Int[Array, " s"],
    *,
    plan: GpuPlan,
    precision: Any,
    interpret: bool,
) -> tuple[Float[Array, "k p"], DeviceGroup, Failures]:
    """Smooths padded arrays; `numbers` are n, a step coprime to it, the sample's rank and Ks."""
    n, step, rank, ks = numbers[0], numbers[1], numbers[2], numbers[3:]
    order = permuted(n, step, len(scores)) if plan.sample else jnp.arange(len(scores))
    self_index = jnp.arange(plan.queries, dtype=jnp.int32)
    group = DeviceGroup(order[: plan.columns], n, order[: plan.queries], n, self_index)
    items, options = (scores, features), dict(precision=precision, interpret=interpret)
    out = jnp.zeros((len(ks), len(scores)))
    out, failures = smooth_group(out, *items, *items, group, ks - 1, rank, plan=plan, **options)
    return out, group, failures


def permuted(n: Int[Array, ""], step: Int[Array, ""], size: int) -> Int[Array, " size"]:
    """Returns i * step mod n for i < n, in pseudo-random order, and zeros up to `size`.

    Args:
      n: at most MOST_ITEMS.
      step: coprime to n, below it.
      size: at least n.
    """
    n, step = n.astype(jnp.uint32), step.astype(jnp.uint32)
    i = jnp.arange(size, dtype=jnp.uint32)
    high, low = i >> LOW_BITS, i & (2**LOW_BITS - 1)
    row = (high * ((step << LOW_BITS) % n) + low * step % n) % n
    return jnp.where(i < n, row, 0).astype(jnp.int32)


def _coprime_step(n: int) -> int:
    step = max(1, round(GOLDEN_RATIO * n))
    while np.gcd(step, n) > 1:
        step += 1
    return step % n


def _is_plain(x: Any, rank: int) -> bool:
    """Returns whether x is an array with values of a floating type on one device at most."""
    if isinstance(x, jax.core.Tracer) or not isinstance(x, np.ndarray | jax.Array):
        return False
    floating = jnp.issubdtype(x.dtype, jnp.floating) and x.ndim == rank and len(x) > 0
    one = not isinstance(x, jax.Array) or len(x.devices()) == 1
    return floating and one and not jax.config.jax_enable_x64


def _is_whole(k: Any) -> bool:
    return isinstance(k, int | np.integer) and not isinstance(k, bool)
