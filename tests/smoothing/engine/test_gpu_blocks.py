"""The GPU's blocks against the double loop; without a GPU, Pallas interprets the kernels."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smoothing_oracle import check

from jax_dns.smoothing.engine import gpu_blocks
from jax_dns.smoothing.partition import number_groups, partition_by_group

N, D = 600, 16


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Rows of more than 128 items get a threshold from a sample of 128."""
    for name, value in dict(WHOLE_ROW=128, SAMPLES=(128,), BLOCK_ROWS=64).items():
        monkeypatch.setattr(gpu_blocks, name, value)


def problem(rng, n=N, d=D):
    centres = rng.normal(size=(5, d))
    features = centres[rng.integers(0, 5, n)] + 0.5 * rng.normal(size=(n, d))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


def smooth(scores, features, ks, *, groups=None, pool=None, queries=None):
    """[len(ks), m] by the GPU's blocks, group by group."""
    n = len(scores)
    groups = np.zeros(n, np.int32) if groups is None else groups
    pool = np.ones(n, bool) if pool is None else pool
    q_scores, q_features, q_groups = (scores, features, groups) if queries is None else queries
    mean = features.mean(0)
    out = jnp.zeros((len(ks), len(q_scores)))
    arrays = map(jnp.asarray, (scores, features - mean, q_scores, q_features - mean))
    arrays = tuple(arrays)
    group, query_group, n_groups = number_groups(groups, q_groups)
    blocks = partition_by_group(group, pool, query_group, n_groups, exclude_self=queries is None)
    for block in blocks:
        out = gpu_blocks.smooth_on_gpu(out, *arrays, *block, ks=ks)
    return np.asarray(out)


def check_all(scores, features, ks, **options):
    for k, got in zip(ks, smooth(scores, features, ks, **options)):
        check(got, scores, features, k, **options)


@pytest.mark.parametrize("n", [33, 128, 257])
def test_is_exact_for_several_k_and_counts_that_are_multiples_of_nothing(rng, n):
    check_all(*problem(rng, n), (1, 2, 7, 12))


def test_is_exact_in_groups_and_pools(rng):
    groups, pool = rng.integers(0, 3, N), rng.random(N) < 0.6
    check_all(*problem(rng), (9, 3), groups=groups, pool=pool)


def test_is_exact_for_queries_against_a_history(rng):
    q_scores, q_features = problem(rng, 21)
    queries = q_scores, q_features, np.zeros(21, np.int32)
    check_all(*problem(rng), (12,), queries=queries)


@pytest.fixture
def redone(monkeypatch):
    """Counts rows that are smoothed again, and gives their sum at the end."""
    import jax

    counts = []

    def count(near, *arguments, of=gpu_blocks.select, **options):
        jax.debug.callback(lambda: counts.append(len(near)))
        return of(near, *arguments, **options)

    monkeypatch.setattr(gpu_blocks, "select", count)
    jax.clear_caches()
    yield lambda: (jax.effects_barrier(), sum(counts))[1]
    jax.clear_caches()


def test_no_row_is_smoothed_again_where_distances_differ(rng, redone):
    check_all(*problem(rng), (12,))
    assert redone() == 0


def test_is_exact_in_parts_of_the_columns(rng, redone, monkeypatch):
    monkeypatch.setattr(gpu_blocks, "PART_COLUMNS", 256)
    n = 1_100
    plan = gpu_blocks.make_plan(n, 40, 12)
    assert plan.parts == 4 and plan.columns == 2_048
    queries = *problem(rng, 40), np.zeros(40, np.int32)
    check_all(*problem(rng, n), (12, 5), queries=queries)
    assert redone() == 0


def test_a_part_that_overflows_is_smoothed_again(rng, redone, monkeypatch):
    monkeypatch.setattr(gpu_blocks, "PART_COLUMNS", 256)
    scores, features = problem(rng, 1_100)
    features[256:512] = features[0]  # all in the second of four parts
    x, order = jnp.asarray(features - features.mean(0)), np.arange(1_100, dtype=np.int32)
    a, q = jnp.asarray(scores), order[:16]
    queries = scores[:16], features[:16], np.zeros(16, np.int32)
    got = gpu_blocks.smooth_on_gpu(
        *(jnp.zeros((1, 16)), a, x, a[:16], x[:16], order, q, np.full(16, -1, np.int32)), ks=(12,)
    )
    check(np.asarray(got[0]), scores, features, 12, queries=queries)
    assert redone() > 0


def test_all_rows_are_smoothed_again_where_slots_overflow(rng, redone, monkeypatch):
    monkeypatch.setattr(gpu_blocks, "slots_needed", lambda n, k, sample, parts: 8)
    check_all(*problem(rng), (12,))
    assert redone() >= N


def test_all_rows_are_smoothed_again_where_they_fall_short(rng, redone, monkeypatch):
    plan = gpu_blocks.make_plan(N, N, 20)
    monkeypatch.setattr(gpu_blocks, "make_plan", lambda *_, **__: plan)
    monkeypatch.setattr(gpu_blocks, "sample_rank", lambda n, k, sample, slots: 1)
    check_all(*problem(rng), (20,))
    assert redone() >= N


def test_equal_features_share(rng):
    scores = rng.normal(size=N).astype(np.float32)
    features = np.repeat(rng.normal(size=(3, D)), N // 3, axis=0).astype(np.float32)
    got, of_twelve = smooth(scores, features, (5, 12))
    check(of_twelve, scores, features, 12)
    rest = (scores[:200].sum() - scores[:200]) / 199
    np.testing.assert_allclose(got[:200], (scores[:200] + 4 * rest) / 5, atol=1e-5)


def test_an_order_in_which_the_sample_is_no_fair_one(rng, monkeypatch):
    """The first columns are those farthest away: each row's threshold lets too many pass."""
    scores, features = problem(rng)
    features[0] = 0
    order = np.argsort(-np.linalg.norm(features, axis=1)).astype(np.int32)
    x = jnp.asarray(features - features.mean(0))
    place = np.argsort(order).astype(np.int32)
    a, numbers = jnp.asarray(scores), np.arange(N, dtype=np.int32)
    got = gpu_blocks.smooth_on_gpu(jnp.zeros((1, N)), a, x, a, x, order, numbers, place, ks=(9,))
    check(np.asarray(got[0]), scores, features, 9)


def test_no_plan_where_most_items_are_selected():
    assert gpu_blocks.make_plan(1_000, 1_000, 900) is None


@given(
    n=st.integers(2, 400), d=st.integers(1, 5), levels=st.integers(1, 40), seed=st.integers(0, 99)
)
@settings(max_examples=4, deadline=None)
def test_is_exact_whatever_the_ties(n, d, levels, seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=n).astype(np.float32)
    features = rng.integers(0, levels, (n, d)).astype(np.float32)
    check_all(scores, features, (min(n, 6),))
