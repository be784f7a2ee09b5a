"""Frames: scale and origin of each group."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.smoothing.feature_space import (
    Frame,
    divide_by_power,
    fit_frame,
    to_frame,
    to_group_frames,
    to_metric_space,
)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("exponent", [-125, -7, 0, 3, 100, 127])
def test_powers_whose_inverse_is_out_of_range(kind, exponent):
    x = np.ldexp(np.float32([0.75, -1.5]), exponent)
    got = divide_by_power(kind(x), np.int32(exponent))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, np.float32([0.75, -1.5]))


def test_the_host_keeps_subnormal_digits():
    x = np.ldexp(np.float32([0.75, -1.5]), -140)
    np.testing.assert_array_equal(divide_by_power(x, np.int32(-140)), np.float32([0.75, -1.5]))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_a_frame_has_unit_scale_and_mean_zero(rng, scale):
    x = ((rng.normal(size=(200, 4)) + 50) * scale).astype(np.float32)
    valid = np.arange(200) < 150
    x[~valid] = np.inf
    frame = jax.jit(fit_frame)(jnp.asarray(x), jnp.asarray(valid))
    got = np.asarray(jax.jit(to_frame)(jnp.asarray(x[valid]), frame))
    assert np.abs(got).max() < 1 and np.abs(got.mean(0)).max() < 1e-6
    ratio = (x[0] - x[1]).astype(np.float64) / (got[0] - got[1])
    np.testing.assert_allclose(ratio, 2.0 ** float(frame.exponent), rtol=1e-4)


def test_a_row_far_beyond_the_others_keeps_its_direction(rng):
    x = jnp.asarray(rng.normal(size=(20, 4)).astype(np.float32))
    frame = fit_frame(x, jnp.ones(20, bool))
    far = rng.normal(size=(1, 4)).astype(np.float32)
    got = np.asarray(to_frame(jnp.asarray(far * np.float32(1e30)), frame))
    assert np.isfinite((got**2).sum())
    cosine = got[0] @ far[0] / np.linalg.norm(got[0]) / np.linalg.norm(far[0])
    assert cosine == pytest.approx(1, abs=1e-6)


def test_groups_have_frames_of_their_own(rng):
    x, q = (rng.normal(size=(n, 3)).astype(np.float32) for n in (60, 9))
    groups, query_groups = rng.permutation(np.repeat([-3, 5, 90], 20)), np.repeat([5, 90, -3], 3)
    x[groups == 5] += 1e3
    x[groups == 90] *= np.float32(1e20)
    pool = rng.random(60) < 0.7
    got = jax.jit(to_group_frames)(*map(jnp.asarray, (x, groups, pool, q, query_groups)))
    for value in (-3, 5, 90):
        own, mine = groups == value, query_groups == value
        frame = jax.jit(fit_frame)(jnp.asarray(x), jnp.asarray(own & pool))
        for array, rows, group in ((x, own, got[0]), (q, mine, got[1])):
            expected = to_frame(array[rows], Frame(*map(np.asarray, frame)))
            np.testing.assert_allclose(np.asarray(group)[rows], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_cosine_is_euclidean_on_the_sphere(rng, kind, scale):
    features = kind((scale * rng.normal(size=(30, 5))).astype(np.float32))
    unit = np.asarray(to_metric_space(features, "cosine"))
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        unit * np.asarray(features)[:, :1], unit[:, :1] * features, rtol=1e-5
    )
    np.testing.assert_array_equal(to_metric_space(features, "euclidean"), features)
