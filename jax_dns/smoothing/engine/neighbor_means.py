"""Eq. 7's means from a block of distances."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from jax_dns.smoothing.engine.counting import LANES, padded_columns, row_minimum
from jax_dns.smoothing.engine.halving import Shortlist, halve_columns, halvings
from jax_dns.smoothing.engine.kth_threshold import SAMPLE, Bracket, select

FOLDS = range(12, 0, -1)  # slices of a row that are added up before their sum
FEW = 16  # Ks up to this have thresholds so near to the least value that it is looked for first


def bounds(
    query_features: Float[Array, "b d"], longest: Float[Array, ""]
) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
    """Between which all of ||x||^2 - 2 q.x lie, for items no longer than `longest`."""
    length = jnp.sum(query_features**2, axis=1)
    return -1.001 * length - 1e-30, 1.001 * (jnp.sqrt(length) + longest) ** 2 + 1e-30


def means(
    near: Float[Array, "b r"],
    scores: Float[Array, " r"],
    query_scores: Float[Array, " b"],
    low: Float[Array, " b"],
    high: Float[Array, " b"],
    total: Int[Array, " b"],
    *,
    ks: tuple[int, ...],
    sample: int | None = None,
    halving: bool = False,
) -> tuple[Float[Array, "k b"], Bool[Array, "k b"]]:
    """Means over each query and its K - 1 nearest, for all Ks.

    Args:
      near: [b, r] distances, columns as `padded_columns` gives; infinite where there is none.
      scores: [r].
      query_scores: [b].
      low: [b] see `selection.select`, as for the rest.
      high: [b].
      total: [b].
      ks: Ks.
      sample: columns at the front that are a fair sample; None: all are.
      halving: whether the program is to be faster on CPU for many Ks, and three times as long in
        compiling.

    Returns:
      [len(ks), b] means, and whether each is sure though `near` may lack values from `high` on: its
      threshold was counted, and isn't `high` itself.
    """
    others = tuple(sorted(set(ks) - {1}))
    least = row_minimum(near) if min(others) <= FEW else low
    if halving and jax.default_backend() == "cpu":
        by_halvings = halvings(others, near.shape[1])
    else:
        by_halvings = {0: others}
    brackets = _thresholds(near, by_halvings, least, high, total, sample)
    ranks = jnp.asarray(others, jnp.int32) - 1
    sums = sum_below(near, scores, ranks, brackets)
    of = dict(zip(others, (query_scores[None, :] + sums) / (ranks[:, None] + 1)))
    counted = (brackets.below_low == ranks[:, None]) | (brackets.high < high[None, :])
    sure = dict(zip(others, counted))
    of[1], sure[1] = query_scores, jnp.ones(query_scores.shape, bool)
    return jnp.stack([of[k] for k in ks]), jnp.stack([sure[k] for k in ks])


def _thresholds(
    near: Float[Array, "b r"],
    by_halvings: dict[int, tuple[int, ...]],
    low: Float[Array, " b"],
    high: Float[Array, " b"],
    total: Int[Array, " b"],
    sample: int | None,
) -> Bracket:
    """For each K in increasing order, where the K - 1 nearest end, some sought in fewer columns.

    That those hold what is needed is counted; where they don't, all columns are gone through.
    """
    front = near[:, :sample] if sample else None

    def find(values: Array, ks: tuple[int, ...], front: Array | None) -> Bracket:
        return select(values, jnp.asarray(ks, jnp.int32) - 1, low, high, total, sample=front)

    found = [find(near, by_halvings[0], front)] if 0 in by_halvings else []
    listed, held = Shortlist(near, jnp.full_like(high, jnp.inf)), True
    for times in range(1, max(by_halvings) + 1):
        listed = halve_columns(listed)
        if ks := by_halvings.get(times):
            fair = near[:, : sample or padded_columns(near.shape[1] // SAMPLE)]
            part = find(listed.kept, ks, fair)
            held &= jnp.all(part.high <= listed.left_out[None, :])
            found.insert(0, part)  # more halvings, smaller Ks
    brackets = Bracket(*(jnp.concatenate(parts) for parts in zip(*found)))
    if max(by_halvings) == 0:
        return brackets
    every = tuple(k for times in sorted(by_halvings, reverse=True) for k in by_halvings[times])
    return jax.lax.cond(held, lambda found: found, lambda _: find(near, every, front), brackets)


def sum_below(
    values: Float[Array, "m n"],
    scores: Float[Array, " n"],
    ranks: Int[Array, " k"],
    brackets: Bracket,
) -> Float[Array, "k m"]:
    """Sums the scores of each row's `rank` smallest values; equal ones at the end share."""
    found = brackets.below_low == ranks[:, None]

    def below_threshold() -> Float[Array, "k m"]:
        # Slices first, then a product with ones: 0.6 of the time of weights and their product. All
        # ranks of a row together: 0.65 of the time of one rank after another.
        threshold = jnp.where(found, brackets.low, brackets.high).T[:, :, None]
        fold = next(x for x in FOLDS if values.shape[1] // LANES % x == 0)
        slices = zip(jnp.split(values[:, None, :], fold, 2), jnp.split(scores[None, None], fold, 2))
        parts = sum(jnp.where(near < threshold, of, 0) for near, of in slices)
        return _product(parts, jnp.ones(parts.shape[2], parts.dtype)).T

    def by_weight(inputs: tuple[Array, Bracket]) -> Float[Array, " m"]:
        return _product(selection_weights(values, *inputs), scores)

    return jax.lax.cond(
        jnp.all(found | (brackets.below_high == ranks[:, None])),
        below_threshold,
        lambda: jax.lax.map(by_weight, (ranks, brackets)),
    )


def _product(x: Float[Array, "*m n"], y: Float[Array, " n"]) -> Float[Array, "*m"]:
    """XLA:CPU's sum of a row's products takes 1.2 times as long."""
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)


def selection_weights(
    values: Float[Array, "m n"], rank: Int[Array, ""], bracket: Bracket
) -> Num[Array, "m n"]:
    """Weight of each value in a sum over the `rank` smallest; equal ones at the end share."""
    low, high, below_low, below_high = bracket
    share = (rank - below_low) / jnp.maximum(below_high - below_low, 1).astype(values.dtype)
    inside = jnp.where(values < high[:, None], share[:, None], 0)
    return jnp.where(values < low[:, None], 1, inside)
