"""The GPU's blocks against the double loop; without a GPU, Pallas interprets the kernels.

The cases share sizes and numbers of K, and so compiled programs.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smoothing_oracle import check

from jax_dns.smoothing.engine import gpu_blocks, gpu_plan
from jax_dns.smoothing.partition import number_groups, partition_by_group

N, D = 300, 8
KS = 12, 1, 5


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Rows of more than 128 items get a threshold from a sample of 128."""
    for name, value in dict(WHOLE_ROW=128, SAMPLES=(128,), BLOCK_ROWS=64).items():
        monkeypatch.setattr(gpu_plan, name, value)


@pytest.fixture
def redone(monkeypatch):
    """Numbers of rows that are smoothed again, one a call."""
    counts = []

    def count(*arguments, of=gpu_blocks.smooth_again):
        counts.append(int(arguments[-1].sum()))
        return of(*arguments)

    monkeypatch.setattr(gpu_blocks, "smooth_again", count)
    return counts


def problem(rng, n=N, d=D):
    centres = rng.normal(size=(5, d))
    features = centres[rng.integers(0, 5, n)] + 0.5 * rng.normal(size=(n, d))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


def smooth(scores, features, *, groups=None, pool=None, queries=None, order=None):
    """[len(KS), m] by the GPU's blocks, group by group."""
    n = len(scores)
    groups = np.zeros(n, np.int32) if groups is None else groups
    pool = np.ones(n, bool) if pool is None else pool
    q_scores, q_features, q_groups = (scores, features, groups) if queries is None else queries
    mean = features.mean(0)
    arrays = tuple(map(jnp.asarray, (scores, features - mean, q_scores, q_features - mean)))
    group, query_group, n_groups = number_groups(groups, q_groups)
    blocks = partition_by_group(group, pool, query_group, n_groups, exclude_self=queries is None)
    if order is not None:
        (block,) = blocks
        position = np.argsort(order).astype(np.int32)
        self_index = position[block.queries] if queries is None else block.self_index
        blocks = [block._replace(rows=order, self_index=self_index)]
    out = jnp.zeros((len(KS), len(q_scores)))
    out, others = gpu_blocks.smooth_on_gpu(out, *arrays, blocks, ks=KS)
    assert not others
    return np.asarray(out)


def check_all(scores, features, order=None, **options):
    for k, got in zip(KS, smooth(scores, features, order=order, **options)):
        check(got, scores, features, k, **options)


@pytest.mark.parametrize("n", [100, N])
def test_is_exact_with_and_without_thresholds(rng, redone, n):
    check_all(*problem(rng, n))
    assert not redone


def test_is_exact_in_groups_and_pools(rng):
    groups, pool = np.arange(N) % 3, np.arange(N) % 10 < 7
    check_all(*problem(rng), groups=rng.permutation(groups), pool=pool)


def test_is_exact_for_queries_against_a_history(rng):
    q_scores, q_features = problem(rng, 21)
    check_all(*problem(rng), queries=(q_scores, q_features, np.zeros(21, np.int32)))


@pytest.mark.parametrize("crowded", [False, True])
def test_is_exact_in_parts_of_the_columns(rng, redone, monkeypatch, crowded):
    """Rows whose near items crowd in one part overflow its slots, and are smoothed again."""
    monkeypatch.setattr(gpu_plan, "PART_COLUMNS", 256)
    n, (scores, features) = 600, problem(rng, 600)
    plan = gpu_plan.make_plan(n, 16, max(KS))
    assert plan.parts == 2 and plan.columns == 1_024
    if crowded:
        features[:200] = features[0]
    queries = scores[:16], features[:16], np.zeros(16, np.int32)
    check_all(scores, features, queries=queries, order=np.arange(n, dtype=np.int32))
    assert bool(redone) == crowded


@pytest.mark.parametrize("rank", [1, 128])
def test_all_rows_are_smoothed_again_where_thresholds_are_wrong(rng, redone, monkeypatch, rank):
    """They fall short, or their slots overflow."""
    monkeypatch.setattr(gpu_plan, "sample_rank", lambda n, k, sample, slots: rank)
    check_all(*problem(rng))
    assert redone == [N]


def test_equal_features_share(rng):
    scores = rng.normal(size=N).astype(np.float32)
    features = np.repeat(rng.normal(size=(3, D)), N // 3, axis=0).astype(np.float32)
    got = smooth(scores, features)
    check(got[0], scores, features, 12)
    rest = (scores[:100].sum() - scores[:100]) / 99
    np.testing.assert_allclose(got[2, :100], (scores[:100] + 4 * rest) / 5, atol=1e-5)


def test_an_order_in_which_the_sample_is_no_fair_one(rng, redone):
    """The first columns are those farthest away: each row's threshold lets too many pass."""
    scores, features = problem(rng)
    features[0] = 0
    order = np.argsort(-np.linalg.norm(features, axis=1)).astype(np.int32)
    check_all(scores, features, order=order)
    assert redone


def test_groups_of_which_most_is_selected_are_left_to_others(rng):
    scores, features = map(jnp.asarray, problem(rng))
    block = partition_by_group(
        np.zeros(N, int), np.ones(N, bool), np.zeros(N, int), 1, exclude_self=True
    )
    out, others = gpu_blocks.smooth_on_gpu(
        jnp.zeros((1, N)), scores, features, scores, features, block, ks=(280,)
    )
    assert others == block and not out.any()


@given(n=st.sampled_from([100, N]), levels=st.integers(1, 40), seed=st.integers(0, 99))
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_is_exact_whatever_the_ties(n, levels, seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=n).astype(np.float32)
    check_all(scores, rng.integers(0, levels, (n, D)).astype(np.float32))
