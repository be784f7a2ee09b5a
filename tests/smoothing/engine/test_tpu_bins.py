"""A TPU's kernel, interpreted: what bins keep, and sums that are those of all distances."""

import jax.numpy as jnp
import numpy as np
import pytest
from smoothing_oracle import check

from jax_dns import smooth, smooth_grid, smooth_queries
from jax_dns.smoothing import routes
from jax_dns.smoothing.engine import grouped, tpu_bins
from jax_dns.smoothing.engine.neighbor_means import bounds
from jax_dns.smoothing.engine.tpu_bins import (
    BinPlan,
    Items,
    least_of_bins,
    plan_bins,
    plan_columns,
    redone_rows,
    sums_of_bins,
)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tpu_bins, "TILE", 64)
    monkeypatch.setattr(tpu_bins, "FOLD", 2)


def block(rng, n, m, d=8):
    """Queries, items with some missing at the end, self columns, and distances."""
    x, q = (rng.normal(size=(rows, d)).astype(np.float32) for rows in (n, m))
    norms = (x**2).sum(1)
    norms[-37:] = np.inf
    self_index = np.where(np.arange(m) % 3, 5 * np.arange(m), -1).astype(np.int32)
    near = norms - 2 * q @ x.T
    rows = np.flatnonzero(self_index >= 0)
    near[rows, self_index[rows]] = np.inf
    scores = rng.normal(size=n).astype(np.float32)
    return q, Items(x, norms, scores), self_index, near


def test_each_bin_keeps_its_least(rng):
    n, m, plan = 128 * 13, 64, BinPlan(192, 32, interpret=True)
    q, items, self_index, near = block(rng, n, m)
    arrays = jnp.asarray(q), Items(*map(jnp.asarray, items)), jnp.asarray(self_index)
    values, scores = least_of_bins(*arrays, plan=plan)
    shape = m, 3, tpu_bins.DEPTH, 64  # tiles of bins, ranks, bins of a tile
    values, scores = (np.asarray(x).reshape(shape) for x in (values, scores))
    column = np.arange(n)
    bin_of = column // 128 % 3 * 64 + column % 64
    for b in range(192):
        mine = column[bin_of == b]
        order = mine[np.argsort(near[:, mine], axis=1, kind="stable")][:, : tpu_bins.DEPTH]
        expected = np.take_along_axis(near, order, axis=1)
        got = values[:, b // 64, :, b % 64]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
        finite = np.isfinite(expected)
        got = scores[:, b // 64, :, b % 64]
        np.testing.assert_array_equal(got[finite], items.scores[order][finite])


@pytest.mark.parametrize("equal", [False, True])
def test_rows_whose_bins_lost_one_are_done_again(rng, equal):
    """Of the nearest 200, 64 bins of four lose some in every row; of the nearest 3 in few."""
    q, items, self_index, near = block(rng, 128 * 20, 48)
    if equal:  # many equal distances
        q, x = np.round(q), np.round(items.features)
        items = items._replace(features=x, norms=(x**2).sum(1))
        near = items.norms - 2 * q @ x.T
        rows = np.flatnonzero(self_index >= 0)
        near[rows, self_index[rows]] = np.inf
    longest = np.sqrt(items.norms[np.isfinite(items.norms)].max())
    for rank in (3, 200):
        value = np.sort(near, axis=1)[:, rank - 1 : rank]
        below, tied = near < value, near == value
        share = (rank - below.sum(1)) / tied.sum(1)
        expected = (items.scores * below).sum(1) + share * (items.scores * tied).sum(1)
        marked = jnp.asarray(expected + 1_000)
        got = sums_of_bins(
            jnp.asarray(q),
            Items(*map(jnp.asarray, items)),
            jnp.asarray(self_index),
            jnp.asarray([rank], jnp.int32),
            bounds(jnp.asarray(q), jnp.asarray(longest)),
            lambda rows, marked=marked: marked[None, rows],
            plan=BinPlan(64, 16, interpret=True),
        )
        again = np.asarray(got[0]) > 500
        np.testing.assert_allclose(got[0] - 1_000 * again, expected, rtol=1e-4, atol=1e-3)
        if rank == 200:
            assert again.all()
        elif not equal:
            assert again.mean() < 0.05


@pytest.mark.parametrize("k", [3, 40])
def test_smoothing_is_exact(rng, monkeypatch, k):
    """In groups, a pool, grids and against a history, with rows that are done again."""
    monkeypatch.setattr(routes, "is_for_host", lambda inputs: False)
    monkeypatch.setattr(routes, "MAX_SORTED", 0)
    plans = []

    def planned(columns, k, dtype, *, devices=1, kind):
        plans.append((columns, kind))
        return -(-columns // 128) * 128, BinPlan(64, 16, interpret=True)

    monkeypatch.setattr(grouped, "plan_columns", planned)
    n = 700
    centres = rng.normal(size=(5, 8))
    features = (centres[rng.integers(0, 5, n)] + rng.normal(size=(n, 8))).astype(np.float32)
    features[::50] = features[0]
    scores, groups = rng.normal(size=n).astype(np.float32), rng.integers(0, 2, n)
    pool = rng.random(n) < 0.8
    for metric in ("euclidean", "cosine"):
        got = smooth(scores, features, k, groups=groups, pool=pool, metric=metric)
        check(np.asarray(got), scores, features, k, groups, pool, metric)
    assert len(plans) == 4 and all(kind == "cpu" for _, kind in plans)
    for each, got in zip((2, k), smooth_grid(scores, features, (2, k))):
        check(np.asarray(got), scores, features, each)
    queries = scores[:30], features[:30] + np.float32(0.1), np.zeros(30, int)
    got = smooth_queries(*queries[:2], scores, features, k)
    check(np.asarray(got), scores, features, k, queries=queries)


@pytest.mark.parametrize(("devices", "k"), [(1, 1_024), (1, 16), (16, 1_024), (16, 2_048)])
def test_bins_rarely_lose_one(rng, monkeypatch, devices, k):
    """Dealt at random, as often as the plan allows."""
    monkeypatch.undo()
    plan = plan_bins(2**20 // devices, k, devices=devices, kind="TPU v5 lite")
    rows, cells = 2_000, devices * plan.bins
    lost = 0
    for _ in range(rows):
        lost += np.bincount(rng.integers(0, cells, k)).max() > tpu_bins.DEPTH
    assert lost / rows < 1.5 * tpu_bins.FAILING + 3 * np.sqrt(tpu_bins.FAILING / rows)
    assert 4 * plan.kept <= 2**20 // devices and 2 * 8 * plan.rows * plan.kept <= tpu_bins.VMEM


def test_plans_are_for_some_tpus_and_large_problems(monkeypatch):
    monkeypatch.undo()
    f32 = np.dtype("f")
    columns, plan = plan_columns(1_000_001, 1_024, f32, kind="TPU v6 lite")
    assert columns == 1_001_472 and plan is not None
    for other in ("TPU v4", "NVIDIA H100", "cpu"):
        assert plan_columns(1_000_001, 1_024, f32, kind=other) == (1_000_001, None)
    assert plan_columns(10**6, 1_024, np.dtype("d"), kind="TPU v6 lite") == (10**6, None)
    assert plan_columns(100_000, 1_024, f32, kind="TPU v6 lite") == (100_000, None)
    assert plan_columns(100_000, 128, f32, kind="TPU v6 lite")[1] is not None
    assert grouped.block_rows(columns, kind="TPU v6 lite", memory=2**35, plan=plan) == 4_096
    assert [redone_rows(m) for m in (4, 100, 4_096)] == [4, 8, 32]
