"""Sizes of the GPU's programs."""

import numpy as np
import pytest

from jax_dns.smoothing.engine import gpu_plan


@pytest.mark.parametrize("n", [5, 4_096, 8_400, 100_000, 1_000_000])
@pytest.mark.parametrize("k", [2, 128, 1_024])
def test_blocks_hold_all_queries_and_items(n, k):
    plan = gpu_plan.make_plan(n, n, k)
    if plan is None:
        assert k > n / 8
        return
    assert plan.columns >= n and plan.queries >= n and plan.queries % plan.block == 0
    assert plan.block * plan.columns <= max(gpu_plan.BLOCK_VALUES, 8 * plan.columns)
    assert (plan.sample == 0) == (n <= gpu_plan.WHOLE_ROW)
    assert plan.sample == 0 or plan.slots > k


def test_no_plan_where_most_items_are_selected():
    assert gpu_plan.make_plan(10_000, 10_000, 9_000) is None


def test_thresholds_miss_few_rows(rng):
    """Of 10^5 rows of random order none keeps fewer than K values or more than its slots."""
    n, k = 8_400, 128
    plan = gpu_plan.make_plan(n, n, k)
    rank = gpu_plan.plan_rank(plan, n, k)
    # Of all values in order, those of the sample lie at random places.
    place = np.stack([np.sort(rng.choice(n, plan.sample, replace=False)) for _ in range(300)])
    below = place[:, rank - 1]
    assert below.min() > k and below.max() < plan.slots
