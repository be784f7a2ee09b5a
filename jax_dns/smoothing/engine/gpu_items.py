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

LOW_BITS = 11
MOST_ITEMS = 2**21  # `permuted` multiplies in 32 bits
COPIES = 5  # of the features: as they came, centred, padded, permuted, and one for the compiler
# Features are uploaded in parts, which threads copy side by side: 4 MiB in one part take an H100's
# host 0.9 ms, as long as its GPU takes for 8,400 items.
PARTS, DIVIDED_BYTES = 4, (2**20, 2**26)


class NotForGpu(Exception):
    """Tells the caller to take the ordinary path, which does the work or raises the error."""


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
        scores, features = (
            x.astype(jnp.float32, copy=False) for x in (inputs.scores, inputs.features)
        )
    parts = [features]
    if isinstance(features, np.ndarray) and DIVIDED_BYTES[0] < features.nbytes < DIVIDED_BYTES[1]:
        parts = np.array_split(features, PARTS)
    numbers, scores, *parts = jax.device_put([_numbers(n, ks, plan), scores, *parts])
    if not runs_on_gpu(scores, *parts):
        raise NotForGpu
    allows_zero = inputs.metric == "euclidean" and inputs.features.dtype == np.float32
    options = dict(metric=inputs.metric, allows_zero=allows_zero)
    out = smooth_arrays(numbers, scores, *parts, ks=ks, plan=plan, **options)
    if out is None:
        raise NotForGpu
    return out


def smooth_arrays(
    numbers: Int[Array, " s"],
    scores: Float[Array, " n"],
    *features: Float[Array, "... d"],
    ks: tuple[int, ...],
    plan: GpuPlan,
    metric: str,
    allows_zero: bool = True,
) -> Float[np.ndarray, "k n"] | None:
    """Smooths arrays that are on the device; without a GPU the kernels are interpreted.

    Args:
      numbers: of `_numbers`.
      scores: [n].
      features: [n, d], or parts of their rows.
      ks: the Ks, at most n.
      plan: for n items and as many queries.
      metric: "euclidean" or "cosine".
      allows_zero: whether rows of zeros are valid.

    Returns:
      [len(ks), n] on the host; None if a value isn't valid.
    """
    n, size = len(scores), max(plan.columns, plan.queries)
    scores, rows, valid = _prepare(
        scores, features, metric=metric, size=size, allows_zero=allows_zero
    )
    options = dict(precision=product_precision(), interpret=jax.default_backend() != "gpu")
    out, group, failed = _smooth_prepared(scores, rows, valid, numbers, plan=plan, **options)
    # One array for results and checks: each wait takes a good part of what a small problem takes.
    *means, checks = np.asarray(out)
    is_valid, some_failed = checks[:2]
    if is_valid and some_failed:
        items, ranks = (scores, rows), np.asarray(ks, np.int32) - 1
        means = np.asarray(smooth_again(out[:-1], *items, *items, group, ranks, failed))
    return np.stack(means)[:, :n] if is_valid else None


def _numbers(n: int, ks: tuple[int, ...], plan: GpuPlan) -> Int[np.ndarray, " s"]:
    """Returns n, a step coprime to it, the sample's rank and the Ks."""
    return np.array([n, _coprime_step(n), plan_rank(plan, n, max(ks)), *ks], np.int32)


@functools.partial(jax.jit, static_argnames=("metric", "size", "allows_zero"))
def _prepare(
    scores: Float[Array, " n"],
    parts: tuple[Float[Array, "... d"], ...],
    *,
    metric: str,
    size: int,
    allows_zero: bool,
) -> tuple[Float[Array, " p"], Float[Array, "p d"], Bool[Array, ""]]:
    """Checks, maps to the items' frame and pads. Apart from the long program, which serves any n.

    Returns:
      Scores and features, and whether no value is infinite, too small or zero against the rules.
    """
    features = jnp.concatenate(parts)
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
    valid: Bool[Array, ""],
    numbers: Int[Array, " s"],
    *,
    plan: GpuPlan,
    precision: Any,
    interpret: bool,
) -> tuple[Float[Array, "rows p"], DeviceGroup, Bool[Array, " q"]]:
    """Smooths padded arrays.

    Returns:
      The means, below them a row that begins with `valid` and whether some queries failed; the
      group, and the queries that failed.
    """
    n, step, rank, ks = numbers[0], numbers[1], numbers[2], numbers[3:]
    order = permuted(n, step, len(scores)) if plan.sample else jnp.arange(len(scores))
    self_index = jnp.arange(plan.queries, dtype=jnp.int32)
    group = DeviceGroup(order[: plan.columns], n, order[: plan.queries], n, self_index)
    items, options = (scores, features), dict(precision=precision, interpret=interpret)
    out = jnp.zeros((len(ks), len(scores)))
    out, failures = smooth_group(out, *items, *items, group, ks - 1, rank, plan=plan, **options)
    checks = jnp.zeros((1, out.shape[1])).at[0, :2].set(jnp.stack([valid, failures.some]))
    return jnp.concatenate([out, checks]), group, failures.failed


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
    """Returns whether x is an array of floats, either NumPy's or on a single device."""
    if isinstance(x, jax.core.Tracer) or not isinstance(x, np.ndarray | jax.Array):
        return False
    floating = jnp.issubdtype(x.dtype, jnp.floating) and x.ndim == rank and len(x) > 0
    one = not isinstance(x, jax.Array) or len(x.devices()) == 1
    return floating and one and not jax.config.jax_enable_x64


def _is_whole(k: Any) -> bool:
    return isinstance(k, int | np.integer) and not isinstance(k, bool)
