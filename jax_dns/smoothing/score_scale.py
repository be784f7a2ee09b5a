"""Scores moved to a range in which float32 sums keep their digits. Eq. 7 is a mean, so it follows.

Scores are shifted by their middle if they lie close together and far from zero (1e8, 1e8 + 1, ...),
and divided by a power of two, so that sums neither overflow nor vanish.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jax_dns.smoothing.feature_space import divide_by_power

FAR = 16  # times half the range between smallest and largest score
LARGEST = 80  # exponent of the largest scaled score: sums of 2^47 of them are finite in float32


class ScoreScale(NamedTuple):
    """A score s is scaled to (s - shift) / 2^exponent."""

    shift: Float[Any, ""]
    exponent: Int[Any, ""]


def fit_score_scale(*scores: Float[Any, "..."]) -> ScoreScale:
    """Fits the scale of one or more arrays of scores: NumPy, or JAX and perhaps traced."""
    scores = tuple(jax.lax.stop_gradient(x) if isinstance(x, jax.Array) else x for x in scores)
    ends = [end for x in scores for end in (x.min(), x.max())]
    if not any(isinstance(end, jax.core.Tracer) for end in ends):
        ends = np.asarray([np.asarray(end) for end in ends])  # from different devices, perhaps
        xp = np
    else:
        ends, xp = jnp.stack(ends), jnp
    low, high = ends.min(), ends.max()
    middle, half_range = low / 2 + high / 2, high / 2 - low / 2
    shift = xp.where(half_range <= xp.abs(middle) / FAR, middle, xp.zeros_like(middle))
    largest = xp.maximum(xp.abs(low - shift), xp.abs(high - shift))
    return ScoreScale(shift, xp.frexp(largest)[1] - LARGEST)


def scale_scores(scores: Float[Any, "..."], scale: ScoreScale) -> Float[Any, "..."]:
    """Scales scores."""
    return divide_by_power(scores - scale.shift, scale.exponent)


def unscale_scores(means: Float[Any, "..."], scale: ScoreScale) -> Float[Any, "..."]:
    """Undoes `scale_scores` for means of scaled scores."""
    return divide_by_power(means, -scale.exponent) + scale.shift
