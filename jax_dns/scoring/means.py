"""Eq. 7's means from a block of distances."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jax_dns.scoring.selection import select, weigh


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
      sample: columns.

    Returns:
      [len(ks), b] means, and whether each is sure though `near` may lack values from `high` on: its
      threshold was counted, and isn't `high` itself.
    """

    def one_k(k: Int[Array, ""]) -> tuple[Float[Array, " b"], Bool[Array, " b"]]:
        bracket = select(near, k - 1, low, high, total, sample=sample)
        weights = weigh(near, k - 1, bracket)
        # A product: XLA:CPU's sum of a row's products takes 1.2 times as long.
        sums = jnp.matmul(weights, scores, precision=jax.lax.Precision.HIGHEST)
        sure = (bracket.below_low == k - 1) | (bracket.high < high)
        return (query_scores + sums) / k, sure

    return jax.lax.map(one_k, jnp.asarray(ks, jnp.int32))
