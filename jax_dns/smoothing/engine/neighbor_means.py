"""Eq. 7's means from a block of distances."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from jax_dns.smoothing.engine.counting import LANES, padded_columns, row_minimum
from jax_dns.smoothing.engine.halving import Shortlist, halve_columns, halvings
from jax_dns.smoothing.engine.kth_threshold import SAMPLE, Bracket, select

FOLDS = range(12, 0, -1)  # slices of a row that are added up before their sum
SMALL_K = 16  # up to this K the threshold lies so near to the row's minimum that we search from it


def bounds(
    query_features: Float[Array, "b d"], longest: Float[Array, ""]
) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
    """Returns bounds on |x|^2 - 2 q.x over all items x with |x| <= `longest`."""
    length = jnp.sum(query_features**2, axis=1)
    return -1.001 * length - 1e-30, 1.001 * (jnp.sqrt(length) + longest) ** 2 + 1e-30


def means(
    distances: Float[Array, "b r"],
    scores: Float[Array, " r"],
    query_scores: Float[Array, " b"],
    low: Float[Array, " b"],
    high: Float[Array, " b"],
    total: Int[Array, " b"],
    *,
    ks: tuple[int, ...],
    sample: int | None = None,
    halve: bool = False,
) -> tuple[Float[Array, "k b"], Bool[Array, "k b"]]:
    """Averages each query's score and its K - 1 nearest candidates' scores, for all Ks.

    Args:
      distances: [b, r], r as `padded_columns` gives; infinite where there is no candidate.
      scores: [r] of the candidates.
      query_scores: [b].
      low: [b] see `kth_threshold.select`, as for `high` and `total`.
      high: [b].
      total: [b].
      ks: the Ks, the query itself counted.
      sample: columns at the front that are a fair sample of the row; None: all are.
      halve: whether to search in halves of the columns on CPU: faster for many Ks, three times as
        long to compile.

    Returns:
      [len(ks), b] means, and whether each is exact even if `distances` lacks values from `high` on:
      its threshold was counted, and isn't `high` itself.
    """
    sorted_ks = tuple(sorted(set(ks) - {1}))
    minimum = row_minimum(distances) if min(sorted_ks) <= SMALL_K else low
    if halve and jax.default_backend() == "cpu":
        ks_by_halvings = halvings(sorted_ks, distances.shape[1])
    else:
        ks_by_halvings = {0: sorted_ks}
    brackets = _thresholds(distances, ks_by_halvings, minimum, high, total, sample)
    ranks = jnp.asarray(sorted_ks, jnp.int32) - 1
    sums = sum_below(distances, scores, ranks, brackets)
    by_k = dict(zip(sorted_ks, (query_scores[None, :] + sums) / (ranks[:, None] + 1)))
    counted = (brackets.below_low == ranks[:, None]) | (brackets.high < high[None, :])
    is_exact = dict(zip(sorted_ks, counted))
    by_k[1], is_exact[1] = query_scores, jnp.ones(query_scores.shape, bool)
    return jnp.stack([by_k[k] for k in ks]), jnp.stack([is_exact[k] for k in ks])


def _thresholds(
    distances: Float[Array, "b r"],
    ks_by_halvings: dict[int, tuple[int, ...]],
    low: Float[Array, " b"],
    high: Float[Array, " b"],
    total: Int[Array, " b"],
    sample: int | None,
) -> Bracket:
    """Finds the threshold of each K in increasing order, of small Ks in halves of the columns.

    We verify that the halves hold all K - 1 nearest; otherwise all columns are searched.
    """
    front = distances[:, :sample] if sample else None

    def search(values: Array, ks: tuple[int, ...], front: Array | None) -> Bracket:
        return select(values, jnp.asarray(ks, jnp.int32) - 1, low, high, total, sample=front)

    parts = [search(distances, ks_by_halvings[0], front)] if 0 in ks_by_halvings else []
    shortlist, is_exact = Shortlist(distances, jnp.full_like(high, jnp.inf)), True
    for times in range(1, max(ks_by_halvings) + 1):
        shortlist = halve_columns(shortlist)
        if ks := ks_by_halvings.get(times):
            fair = distances[:, : sample or padded_columns(distances.shape[1] // SAMPLE)]
            part = search(shortlist.values, ks, fair)
            is_exact &= jnp.all(part.high <= shortlist.smallest_dropped[None, :])
            parts.insert(0, part)  # more halvings, smaller Ks
    brackets = Bracket(*(jnp.concatenate(fields) for fields in zip(*parts)))
    if max(ks_by_halvings) == 0:
        return brackets
    ks = tuple(k for times in sorted(ks_by_halvings, reverse=True) for k in ks_by_halvings[times])
    return jax.lax.cond(is_exact, lambda x: x, lambda _: search(distances, ks, front), brackets)


def sum_below(
    values: Float[Array, "m n"],
    scores: Float[Array, " n"],
    ranks: Int[Array, " k"],
    brackets: Bracket,
) -> Float[Array, "k m"]:
    """Sums the scores of each row's `rank` smallest values; ties at the threshold share equally."""
    low_is_exact = brackets.below_low == ranks[:, None]

    def below_threshold() -> Float[Array, "k m"]:
        # Slices first, then a product with ones: 0.6 of the time of weights and their product. All
        # ranks of a row together: 0.65 of the time of one rank after another.
        threshold = jnp.where(low_is_exact, brackets.low, brackets.high).T[:, :, None]
        fold = next(x for x in FOLDS if values.shape[1] // LANES % x == 0)
        slices = zip(jnp.split(values[:, None, :], fold, 2), jnp.split(scores[None, None], fold, 2))
        parts = sum(jnp.where(x < threshold, score, 0) for x, score in slices)
        return _product(parts, jnp.ones(parts.shape[2], parts.dtype)).T

    def by_weight(inputs: tuple[Array, Bracket]) -> Float[Array, " m"]:
        return _product(selection_weights(values, *inputs), scores)

    return jax.lax.cond(
        jnp.all(low_is_exact | (brackets.below_high == ranks[:, None])),
        below_threshold,
        lambda: jax.lax.map(by_weight, (ranks, brackets)),
    )


def _product(x: Float[Array, "*m n"], y: Float[Array, " n"]) -> Float[Array, "*m"]:
    """XLA:CPU's sum of a row's products takes 1.2 times as long."""
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)


def selection_weights(
    values: Float[Array, "m n"], rank: Int[Array, ""], bracket: Bracket
) -> Num[Array, "m n"]:
    """Weights each value for a sum over the `rank` smallest; ties at the threshold share."""
    low, high, below_low, below_high = bracket
    share = (rank - below_low) / jnp.maximum(below_high - below_low, 1).astype(values.dtype)
    between = jnp.where(values < high[:, None], share[:, None], 0)
    return jnp.where(values < low[:, None], 1, between)
