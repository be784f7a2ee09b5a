"""Bisection within a row, against sorting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.smoothing.engine.float_bits import float_to_ordered
from jax_dns.smoothing.engine.gpu_bisect import bisect, count_finite


@jax.jit
def bracket(values, rank, slack):
    return bisect(float_to_ordered(values), rank, count_finite(values), slack=slack)


def rows(rng):
    spread = rng.normal(size=50) * 10.0 ** rng.integers(-40, 30, 50)
    levels = rng.integers(0, 4, 50).astype(np.float64)
    for values in (rng.normal(size=50), spread, levels, np.full(50, 3.0), -np.abs(spread)):
        values = values.astype(np.float32)
        yield values
        yield np.where(np.arange(50) < 45, values, np.inf).astype(np.float32)


@pytest.mark.parametrize("rank", [0, 1, 20, 45])
def test_a_threshold_has_the_rank_below_it_or_equal_values_share(rng, rank):
    for values in rows(rng):
        got = bracket(values, rank, 0)
        below_low, below_high = got.below_low, got.below_high
        assert below_low <= rank <= below_high
        ordered = np.asarray(float_to_ordered(jnp.asarray(values)))  # exact where floats underflow
        assert (ordered < got.low).sum() == below_low
        assert (ordered < got.high).sum() == below_high or below_high == np.isfinite(values).sum()
        assert rank in (below_low, below_high) or got.low + 1 == got.high


def test_slack_ends_the_search_earlier(rng):
    values = rng.normal(size=50).astype(np.float32)
    got = bracket(values, 20, 50)
    assert (got.below_low, got.below_high) == (0, 50)
    got = bracket(values, 20, 3)
    assert got.below_low == 20 or 20 <= got.below_high <= 23
