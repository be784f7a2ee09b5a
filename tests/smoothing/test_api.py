"""Eq. 7 by every route of one device, against a double loop in float64 (see `smoothing_oracle`)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from smoothing_oracle import check

from jax_dns import smooth, smooth_grid, smooth_queries


def problem(rng, n=120, d=8, scale=1.0):
    return rng.normal(size=n), (scale * rng.normal(size=(n, d))).astype(np.float32)


KS = 1, 20, 2, 5  # with 120 items of 8 values, the programs that the cases share


def check_all(scores, features, metric="euclidean", groups=None, pool=None):
    grid = smooth_grid(scores, features, KS, groups=groups, pool=pool, metric=metric)
    for k, row in zip(KS, grid):
        check(row, scores, features, k, groups, pool, metric)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_equals_the_double_loop(rng, route, metric):
    scores, features = problem(rng)
    check_all(scores, features, metric)
    check_all(scores, features, metric, rng.integers(0, 3, 120), rng.random(120) < 0.7)


@pytest.mark.parametrize("scale", [1e-27, 1e-20, 1e-3, 1e20, 1e36])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_any_scale_and_far_from_the_origin(rng, route, scale, metric, offset):
    scores, features = problem(rng)
    features = (scale * (features + 100.0 * offset).astype(float)).astype(np.float32)
    check_all(scores, features, metric)


@pytest.mark.parametrize("scale", [1e-44, 1e-20, 1.0, 1e20, 1e37])
def test_four_items_at_any_scale(scale):
    features = (np.asarray([[3], [0], [2.9], [0.1]]) * scale).astype(np.float32)
    got = smooth(np.arange(4.0), features, 2)
    np.testing.assert_array_equal(got, [1, 2, 1, 2] if scale > 1e-40 else got)
    check(got, np.arange(4.0), features, 2)


def test_values_that_the_device_flushes_to_zero_are_refused(rng, engine):
    scores, features = problem(rng)
    groups = np.arange(120) % 2
    features[groups == 1] *= np.float32(1e-32)
    with pytest.raises(ValueError, match=r"row 1 and its group have values of at most .*e-32"):
        smooth(scores, features, 3, groups=groups)


def test_float64_values_that_vanish_in_float32_are_refused(rng):
    scores, features = problem(rng)
    features = features.astype(np.float64)
    features[5] = 1e-50
    with pytest.raises(ValueError, match="features: row 5 is zero in float32"):
        smooth(scores, features, 3)


SCORES = {
    "huge": np.asarray([0.0, 1, 2, 3]) * 1e38,
    "huge, both signs": np.asarray([-3.0, 3, 3, -3]) * 1e38,
    "far beyond float32": np.asarray([0.0, 1, 2, 3]) * 1e200,
    "tiny": np.asarray([0.0, 1, 2, 3]) * 1e-50,
    "close together": 1e8 + np.asarray([0.0, 1, 2, 3]),
    "equal": np.full(4, 0.1),
}


@pytest.mark.parametrize("kind", SCORES)
def test_scores_of_any_scale(route, kind):
    scores, features = SCORES[kind], np.asarray([[3], [0], [2.9], [0.1]], np.float32)
    a, b, c, d = scores
    expected = [a / 2 + c / 2, b / 2 + d / 2, a / 2 + c / 2, b / 2 + d / 2]
    got = smooth_grid(scores, features, (1, 2, 4))
    np.testing.assert_array_equal(got[0], scores)
    tolerance = max(1e-6 * np.ptp(scores), 1e-15 * np.abs(scores).max())
    np.testing.assert_allclose(got[1], expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(got[2], (scores / 4).sum(), rtol=0, atol=tolerance)


def test_a_far_score_costs_the_others_nothing(rng, route):
    scores, features = problem(rng)
    pool = np.arange(120) != 7
    expected = smooth_grid(scores, features, KS, pool=pool)[:, pool]
    scores[7], features[7] = 1e12, 1e3
    got = smooth_grid(scores, features, KS)[:, pool]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jitted", [False, True])
def test_groups_that_lie_apart_cost_each_other_nothing(rng, route, jitted):
    """Legal with norms taken after each group's mean is subtracted."""
    scores, features = problem(rng, 400)
    groups = (np.arange(400) // 200).astype(np.int32)
    features[groups == 1] += 1e3
    call = jax.jit(smooth, static_argnums=2) if jitted else smooth
    got = np.asarray(call(scores, features, 8, groups=groups))
    check(got, scores, features, 8, groups)


@pytest.mark.parametrize("k", [2, 9])
@pytest.mark.parametrize("factor", [1e5, 1e15])
def test_a_far_row_costs_the_others_nothing(rng, k, factor):
    """On the host neighbours are those of float64, as scikit-learn's are."""
    scores, features = problem(rng, 60)
    features[3] *= np.float32(factor)
    check(smooth(scores, features, k), scores, features, k, tolerance=1e-13)


@settings(max_examples=60, deadline=None)
@given(
    features=npst.arrays(np.float32, (17, 2), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    scores=npst.arrays(np.float64, 17, elements=st.floats(-1e3, 1e3)),
    k=st.sampled_from([1, 2, 9, 16, 17]),  # each K and block size is a program to compile
    block_size=st.sampled_from([1, 4, 40, None]),
)
def test_duplicates_and_ties(features, scores, k, block_size):
    got = smooth(scores, features, k, block_size=block_size)
    check(got, scores, features, k)
    np.testing.assert_array_equal(got, smooth(scores, features, k, block_size=block_size))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_groups_and_pools_of_any_shape(data):
    groups = data.draw(npst.arrays(np.int32, 23, elements=st.integers(-2, 2)))
    pool = data.draw(npst.arrays(bool, 23))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    scores, features = problem(rng, 23, 3)
    candidates = pool[None] & (groups[:, None] == groups[None]) & ~np.eye(23, dtype=bool)
    largest = 1 + candidates.sum(1).min()
    check(
        smooth(scores, features, int(largest), groups=groups, pool=pool),
        scores,
        features,
        largest,
        groups,
        pool,
    )
    with pytest.raises(ValueError, match=f"k: {largest + 1}, expected at most {largest}"):
        smooth(scores, features, int(largest) + 1, groups=groups, pool=pool)


def test_k_1_is_the_identity_even_with_an_empty_pool(rng):
    scores, features = problem(rng)
    got = smooth(scores, features, 1, pool=np.zeros(120, bool))
    np.testing.assert_array_equal(got, scores)


def test_k_of_everything_is_the_mean(rng):
    scores, features = problem(rng)
    np.testing.assert_allclose(smooth(scores, features, 120), scores.mean(), atol=1e-6)


def test_the_item_itself_is_left_out_by_number(route):
    """Of two equal features each has the other as its nearest, not itself."""
    scores = np.asarray([1.0, 5.0, 100.0, 9.0])
    features = np.asarray([[0.0], [0.0], [9.0], [9.0]], np.float32)
    np.testing.assert_allclose(smooth_grid(scores, features, (1, 2, 4))[1], [3, 3, 54.5, 54.5])


def test_items_outside_the_pool_are_smoothed_and_are_no_neighbours(route):
    scores, pool = np.asarray([1.0, 2.0, 50.0, 8.0]), np.asarray([True, True, False, True])
    features = np.asarray([[0.0], [1.0], [0.1], [5.0]], np.float32)
    got = smooth_grid(scores, features, (1, 2, 3), pool=pool)[1]
    np.testing.assert_allclose(got, [1.5, 1.5, 25.5, 5])


def test_grid_is_each_k_in_the_order_given(rng, route):
    scores, features = problem(rng)
    ks = (5, 1, 20, 5)
    grid = smooth_grid(scores, features, ks)
    assert grid.shape == (4, 120)
    np.testing.assert_array_equal(grid[0], grid[3])
    for k, row in zip(ks, grid):
        check(row, scores, features, k)


def test_queries_against_a_history(rng, route):
    scores, features = problem(rng)
    query_scores, query_features = problem(rng, 31)
    groups, query_groups = rng.integers(0, 2, 120), rng.integers(0, 2, 31)
    pool = rng.random(120) < 0.6
    got = smooth_queries(
        query_scores,
        query_features,
        scores,
        features,
        9,
        query_groups=query_groups,
        groups=groups,
        pool=pool,
    )
    queries = (query_scores, query_features, query_groups)
    check(got, scores, features, 9, groups, pool, queries=queries)


def test_a_query_equal_to_a_row_has_that_row_as_a_candidate():
    got = smooth_queries(
        np.asarray([1.0]),
        np.ones((1, 2), np.float32),
        np.asarray([3.0, 9.0]),
        np.asarray([[1.0, 1.0], [5.0, 5.0]], np.float32),
        2,
    )
    np.testing.assert_allclose(got, [2.0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numpy_in_numpy_out_in_the_type_of_scores(rng, dtype):
    scores, features = problem(rng)
    got = smooth(scores.astype(dtype), features, 3)
    assert isinstance(got, np.ndarray) and got.dtype == dtype


def test_jax_in_jax_out(rng):
    scores, features = problem(rng)
    got = smooth(jnp.asarray(scores), features, 3)
    assert isinstance(got, jax.Array) and got.dtype == jnp.float32
    np.testing.assert_allclose(got, smooth(scores, features, 3), rtol=1e-5, atol=1e-6)


def test_under_jit_and_vmap(rng):
    scores, features = problem(rng, 40)
    pool = rng.random(40) < 0.8
    expected = smooth(scores.astype(np.float32), features, 4, pool=pool)
    jitted = jax.jit(lambda s, f, p: smooth(s, f, 4, pool=p))
    np.testing.assert_allclose(jitted(jnp.asarray(scores), features, pool), expected, rtol=1e-5)
    batch = jnp.stack([jnp.asarray(scores), 2 * jnp.asarray(scores)])
    mapped = jax.vmap(lambda s: smooth(s, features, 4, pool=pool))(batch)
    np.testing.assert_allclose(mapped, np.stack([expected, 2 * expected]), rtol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_gradients_flow_to_the_scores(rng, offset):
    scores, features = problem(rng, 20)
    jacobian = jax.jacobian(lambda s: smooth(s, features, 5))(jnp.asarray(scores + offset))
    np.testing.assert_allclose(jacobian.sum(1), 1.0, rtol=1e-5)
    assert (np.asarray(jacobian) > 0).sum(1).tolist() == [5] * 20


def test_no_block_is_larger_than_asked_for(rng):
    """The N x N matrix never exists: 30,000 items in blocks of 16 need 2 MB, not 3.6 GB."""
    from jax_dns.smoothing.reference import smooth_blocks

    n = 30_000
    shapes = [(n,), (n, 4), (n,), (n,), (n,), (n, 4), (n,), (n,)]
    types = [jnp.float32, jnp.float32, jnp.int32, bool, jnp.float32, jnp.float32, jnp.int32]
    args = [jax.ShapeDtypeStruct(s, t) for s, t in zip(shapes, [*types, jnp.int32])]
    compiled = smooth_blocks.lower(*args, ks=(8,), metric="euclidean", block=16).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 40e6


def test_real_features(shared):
    """The MIMII fan features: scores by one feature, neighbours by all the others."""
    with np.load(shared / "mimii_fan_features.npz") as file:
        rows = np.random.default_rng(0).choice(len(file["X"]), 400, replace=False)
        features, product = file["X"][rows].astype(np.float32), file["product"][rows]
    groups = np.unique(product, return_inverse=True)[1]
    scores = features[:, 0].astype(np.float64)
    features = (features - features.mean(0)) / (features.std(0) + 1e-6)
    check(smooth(scores, features, 30, groups=groups), scores, features, 30, groups)
