"""The threshold found by counting against a sort."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_dns.smoothing.engine import kth_threshold
from jax_dns.smoothing.engine.counting import PIVOTS, count_below, padded_columns, row_minimum
from jax_dns.smoothing.engine.kth_threshold import Bracket, select
from jax_dns.smoothing.engine.neighbor_means import selection_weights, sum_below


@functools.partial(jax.jit, static_argnames="how")
def weights_of(values, rank, total, how=None):
    finite = jnp.where(jnp.isfinite(values), values, 0)
    low = jnp.min(finite, axis=1) - 1 - jnp.abs(jnp.min(finite, axis=1))
    high = jnp.max(finite, axis=1) + 1 + jnp.abs(jnp.max(finite, axis=1))
    of = select if how is None else functools.partial(kth_threshold._select, params=how)
    found = of(values, rank[None], low, high, total)
    return selection_weights(values, rank, Bracket(*(x[0] for x in found)))


@jax.jit
def sums_of(values, scores, ranks, low, high, total):
    return sum_below(values, scores, ranks, select(values, ranks, low, high, total))


@functools.partial(jax.jit, static_argnames="how")
def brackets_of(values, ranks, low, high, total, *, how):
    return kth_threshold._select(values, ranks, low, high, total, params=how)


def pad(values):
    n = values.shape[1]
    return np.pad(values, [(0, 0), (0, padded_columns(n) - n)], constant_values=np.inf)


def check(values, rank, how=None):
    values = values.astype(np.float32)
    total = np.isfinite(values).sum(1).astype(np.int32)
    got = np.asarray(weights_of(pad(values), np.int32(rank), total, how))[:, : values.shape[1]]
    limit = np.sort(values, axis=1)[:, max(rank - 1, 0), None]
    np.testing.assert_allclose(got.sum(1), rank, rtol=1e-5)
    if rank:
        assert (got[values < limit] == 1).all()
        assert (got[values > limit] == 0).all()


@pytest.mark.parametrize("columns", [1, 64, 65, 1000, 16_320, 16_321, 40_000])
def test_counts_are_those_of_numpy(rng, columns):
    values = pad(rng.normal(size=(3, columns)).astype(np.float32))
    pivots = rng.normal(size=(3, PIVOTS)).astype(np.float32)
    pivots[0] = np.inf, -np.inf, 100, -100
    expected = (values[:, None, :] < pivots[:, :, None]).sum(2)
    np.testing.assert_array_equal(jax.jit(count_below)(values, pivots), expected)
    np.testing.assert_array_equal(jax.jit(kth_threshold.count_plainly)(values, pivots), expected)


@pytest.mark.parametrize("rank", [0, 1, 2, 15, 100, 999, 2_000, 4_999, 5_000])
@pytest.mark.parametrize("kind", ["normal", "cauchy", "one far", "tiny", "whole", "constant"])
@pytest.mark.parametrize("how", [None, kth_threshold.ON_ACCELERATOR], ids=["here", "accelerator"])
def test_the_smallest_have_weight_one(rng, rank, kind, how):
    shape = 7, 5_000
    values = {
        "normal": lambda: rng.normal(size=shape),
        "cauchy": lambda: rng.standard_cauchy(size=shape),
        "one far": lambda: np.where(np.arange(5_000) == 7, 1e30, rng.normal(size=shape)),
        "tiny": lambda: 1e-20 * rng.normal(size=shape),
        "whole": lambda: rng.integers(-3, 4, shape),
        "constant": lambda: np.zeros(shape),
    }[kind]()
    check(values, rank, how)


def test_columns_without_a_value_are_never_chosen(rng):
    values = rng.normal(size=(5, 3_000))
    values[rng.random(values.shape) < 0.5] = np.inf
    values[0, :2_000] = np.inf  # none of the sample
    check(values, 400)


def test_ordered_columns_defeat_the_sample_and_not_the_result():
    check(np.sort(np.random.default_rng(0).normal(size=(9, 6_000)), axis=1), 700)


@pytest.mark.parametrize("how", [kth_threshold.ON_CPU, kth_threshold.ON_ACCELERATOR])
def test_several_ranks_together_are_each_alone(rng, how):
    values = jnp.asarray(pad(rng.normal(size=(40, 3_000)).astype(np.float32)))
    ranks = jnp.asarray([0, 1, 7, 100, 2_999, 3_000])
    bounds = np.full(40, -9, np.float32), np.full(40, 9, np.float32), np.full(40, 3_000, np.int32)
    of = functools.partial(brackets_of, how=how)
    together = of(values, ranks, *bounds)
    for i, rank in enumerate(ranks):
        alone = selection_weights(
            values, rank, Bracket(*(x[0] for x in of(values, ranks[i : i + 1], *bounds)))
        )
        found = selection_weights(values, rank, Bracket(*(x[i] for x in together)))
        np.testing.assert_array_equal(found, alone)


@pytest.mark.parametrize("columns", [64, 700, 3_000, 8_400])
@pytest.mark.parametrize("tied", [False, True])
def test_sums_are_those_of_sorting(rng, columns, tied):
    values = rng.integers(0, 9, (12, columns)) if tied else rng.normal(size=(12, columns))
    values, scores = pad(values.astype(np.float32)), rng.normal(size=columns)
    scores = np.pad(scores, (0, values.shape[1] - columns)).astype(np.float32)
    ranks = np.asarray([1, columns // 3, columns])
    bounds = np.full(12, -9, np.float32), np.full(12, 99, np.float32), np.full(12, columns)
    got = np.asarray(sums_of(values, scores, ranks, *bounds))
    for rank, sums in zip(ranks, got):
        limit = np.sort(values, axis=1)[:, rank - 1, None]
        below, at = values < limit, values == limit
        share = (rank - below.sum(1)) / at.sum(1)
        expected = (below * scores).sum(1) + share * (at * scores).sum(1)
        np.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-3)


def test_doubles_are_counted_in_the_same_integers(rng):
    with jax.enable_x64(True):
        values = jnp.asarray(pad(rng.normal(size=(9, 3_000))))
        given = jnp.asarray([1, 700], jnp.int32), jnp.full(9, -9.0), jnp.full(9, 9.0)
        found = select(values, *given, jnp.full(9, 3_000, jnp.int32))
        assert values.dtype == found.low.dtype == jnp.float64
        assert found.below_low.dtype == found.below_high.dtype == jnp.int32
        for rank, low, high in zip((1, 700), found.low, found.high):
            below = [(np.asarray(values) < np.asarray(x)[:, None]).sum(1) for x in (low, high)]
            assert ((below[0] == rank) | (below[1] == rank)).all()


@pytest.mark.parametrize("columns", [1, 64, 1000, 40_000])
def test_the_least_of_each_row(rng, columns):
    values = pad(rng.normal(size=(5, columns)).astype(np.float32))
    np.testing.assert_array_equal(row_minimum(jnp.asarray(values)), values.min(1))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.sampled_from([1, 20]),  # each shape is a program to compile
    exponents=st.tuples(st.integers(-25, 30), st.integers(-25, 30)),
    rank=st.integers(0, 300),
    seed=st.integers(0, 99),
)
def test_any_orders_of_magnitude(rows, exponents, rank, seed):
    rng = np.random.default_rng(seed)
    low, high = sorted(exponents)
    magnitudes = 10.0 ** rng.uniform(low, high + 1e-3, (rows, 300))
    check(magnitudes * rng.choice([-1, 1], magnitudes.shape), rank)


@pytest.mark.parametrize("how", [kth_threshold.ON_CPU, kth_threshold.ON_ACCELERATOR])
@pytest.mark.parametrize("kind", ["chi-square", "normal", "uniform"])
def test_few_passes_close_a_well_behaved_row(rng, kind, how):
    """The bound on time: eight counts over all of the row, the sample's passes not counted."""
    shape = 64, 8_400
    draw = {
        "chi-square": lambda: rng.chisquare(100, shape),
        "normal": lambda: rng.normal(size=shape),
    }
    values = draw.get(kind, lambda: rng.random(shape))().astype(np.float32)
    total = np.full(64, 8_400, np.int32)
    bounds = np.full(64, values.min() - 1), np.full(64, values.max() + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kth_threshold, "MAX_PASSES", 7)  # and the one with the sample's pivots
        # Every kind has these shapes, which no other test has: one program for each `how`.
        found = brackets_of(pad(values), np.asarray([1_023]), *bounds, total, how=how)
    assert not kth_threshold._is_open(jnp.asarray([[1_023]]), found).any()
