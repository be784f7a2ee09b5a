"""The engine against the readable form of Eq. 7."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from smoothing_oracle import agree, check, plain

from jax_dns import smooth, smooth_grid, smooth_queries
from jax_dns.smoothing.engine.grouped import block_rows

pytestmark = pytest.mark.usefixtures("engine")


def problem(rng, n, d=16):
    centres = rng.normal(size=(10, d))
    features = centres[rng.integers(0, 10, n)] + 0.5 * rng.normal(size=(n, d))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


@pytest.mark.parametrize("n", [700, 2_111])
def test_equals_the_plain_path(rng, n):
    scores, features = problem(rng, n)
    ks = (1, 2, 30, 700)
    got = smooth_grid(scores, features, ks)
    agree(got, plain(scores, features, ks))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_equals_the_plain_path_in_groups_and_pools(rng, metric):
    scores, features = problem(rng, 3_000)
    groups, pool = rng.integers(-3, 4, 3_000), rng.random(3_000) < 0.7
    options = dict(groups=groups, pool=pool, metric=metric)
    got = smooth(scores, features, 130, **options)
    agree(got, plain(scores, features, (130,), **options)[0])
    traced = jax.jit(lambda g, p: smooth(scores, features, 130, groups=g, pool=p, metric=metric))
    agree(traced(groups.astype(np.int32), pool), got)


def test_duplicates_of_a_query_are_shared_equally():
    """Of 500 equal items, each takes the others' mean for any K."""
    scores = np.arange(1_000, dtype=np.float32)
    features = np.repeat(np.eye(2, dtype=np.float32), 500, axis=0)
    got = smooth(scores, features, 100)
    others = (scores[:500].sum() - scores[:500]) / 499
    np.testing.assert_allclose(got[:500], (scores[:500] + 99 * others) / 100, rtol=1e-5)


def test_gradients_and_maps_pass_through(rng):
    scores, features = problem(rng, 600)
    gradient = jax.grad(lambda s: smooth(s, jnp.asarray(features), 40)[7])(jnp.asarray(scores))
    np.testing.assert_allclose(gradient.sum(), 1, rtol=1e-5)
    assert (np.asarray(gradient) > 0).sum() == 40
    batch = np.stack([features, features[::-1]])
    mapped = jax.vmap(lambda f: smooth(jnp.asarray(scores), f, 40))(batch)
    np.testing.assert_allclose(mapped[0], smooth(scores, features, 40), atol=1e-5)


@pytest.mark.parametrize("kind", ["NVIDIA H200", "TPU v4", "TPU v5 lite"])
def test_blocks_take_a_sixteenth_of_a_device_or_stay_on_the_chip(kind):
    for memory in (2**34, 2**37):
        for columns in (10_048, 120_000, 1_003_904, 20_000_000):
            rows = block_rows(columns, kind=kind, memory=memory)
            assert rows == 8 or 4 * rows * columns <= memory / 16
            if kind == "TPU v5 lite" and columns < 130_000:
                assert 128 <= rows <= 2**24 / columns


def test_queries_against_a_history(rng):
    scores, features = problem(rng, 2_000)
    new_scores, new = problem(rng, 50)
    got = smooth_queries(new_scores, new, scores, features, 300)
    distances = ((new[:, None].astype(float) - features[None]) ** 2).sum(2)
    nearest = scores[np.argsort(distances, axis=1)[:, :299]]
    agree(got, (new_scores + nearest.sum(1)) / 300)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    features=npst.arrays(np.float32, (37, 2), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
    k=st.sampled_from([2, 3, 11, 30, 37]),
)
def test_duplicates_ties_and_scales(features, scale, k):
    scores = np.random.default_rng(k).normal(size=37)
    features = features * np.float32(scale)
    check(smooth(scores, features, k), scores, features, k)
    check(smooth(scores, features + features[3], k), scores, features + features[3], k)


def test_selection_in_the_sense_of_exact(rng):
    scores, features = problem(rng, 700)
    groups, pool = rng.integers(0, 2, 700), rng.random(700) < 0.8
    for k in (2, 100, 250):
        got = smooth(scores, 1e3 * features, k, groups=groups, pool=pool)
        check(got, scores, 1e3 * features, k, groups, pool)
