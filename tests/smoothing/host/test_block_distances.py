"""Candidates of a block of queries: none that is needed is dropped."""

import numpy as np
import pytest

from jax_dns.smoothing.host import block_distances
from jax_dns.smoothing.host.block_distances import (
    Scratch,
    add_norms,
    candidate_distances,
    fold_limit,
    kept_columns,
    rounding_error,
    rows_in_block,
    to_factors,
    to_rectangle,
)


def block(rng, n, b, d=8):
    q, x = (rng.normal(size=(rows, d)).astype(np.float32) for rows in (b, n))
    distances = (x.astype(float) ** 2).sum(1) - 2 * q.astype(float) @ x.T
    return to_factors(q), (q**2).sum(1), add_norms(x), distances


@pytest.mark.parametrize("misled", ["not sampled", "no", "too few", "too many"])
def test_the_nearest_are_among_the_candidates(rng, monkeypatch, misled):
    """Whatever the sample says."""
    if misled != "not sampled":
        monkeypatch.setattr(block_distances, "MAX_WHOLE", 2**10)
    n, b, count = 5_000, 30, 50
    queries, norms, items, expected = block(rng, n, b)
    self_index = np.where(np.arange(b) % 3, np.arange(b) * 100, -1)
    if misled in ("too few", "too many"):
        limit = np.quantile(expected, {"too few": 0.005, "too many": 0.9}[misled], axis=1)
        limit[::2] = np.median(expected)
        monkeypatch.setattr(block_distances, "_sample_limit", lambda *_: limit.astype(np.float32))
    distances, columns = candidate_distances(queries, norms, items, self_index, count, Scratch())
    if misled in ("not sampled", "no"):
        assert distances.shape[1] < n / 10
    for row in range(b):
        if self_index[row] >= 0:
            expected[row, self_index[row]] = np.inf
        nearest = np.argsort(expected[row])[:count]
        finite = np.isfinite(distances[row])
        assert set(nearest) <= set(columns[row][finite])
        assert len(set(columns[row][finite])) == finite.sum()
        np.testing.assert_allclose(
            distances[row][finite], expected[row, columns[row][finite]], atol=1e-4
        )


def test_the_rounding_error_bounds_that_of_a_product(rng):
    for d, far in ((8, 0), (128, 0), (2_048, 0), (128, 30)):
        q, x = (rng.normal(size=(rows, d)).astype(np.float32) for rows in (50, 2_000))
        x[:, 0] += far
        computed = to_factors(q) @ add_norms(x)
        exact = (x.astype(float) ** 2).sum(1) - 2 * q.astype(float) @ x.astype(float).T
        norms = (q**2).sum(1)
        error = np.stack([rounding_error(column, norms, d) for column in computed.T], axis=1)
        assert (np.abs(computed - exact) <= error).all()


@pytest.mark.parametrize("count", [1, 2, 40, 150])
def test_few_more_than_count_are_within_the_folded_limit(rng, count):
    distances = rng.normal(size=(20, 5_001)).astype(np.float32)
    within = (distances <= fold_limit(distances, count)[:, None]).sum(1)
    assert (within >= count).all()
    assert within.mean() < 1.15 * count + 1


def test_values_move_to_the_front_of_their_rows(rng):
    x = rng.normal(size=(5, 9)).astype(np.float32)
    kept = rng.random((5, 9)) < 0.4
    kept[1], kept[3, 4] = False, True
    position = np.flatnonzero(kept)
    values, columns = to_rectangle(position, x.ravel()[position], x.shape)
    assert values.shape[1] == kept.sum(1).max()
    for row in range(5):
        mine = np.flatnonzero(kept[row])
        np.testing.assert_array_equal(columns[row, : len(mine)], mine)
        np.testing.assert_array_equal(values[row, : len(mine)], x[row, mine])
        assert np.isinf(values[row, len(mine) :]).all()


def test_blocks_stay_small():
    for n in (100, 8_400, 100_000, 10**7):
        for count in (1, 100, n // 20, n - 1):
            rows = rows_in_block(n, count)
            assert 16 <= rows <= max(512, 2**21 // n)
            assert rows == 16 or rows * kept_columns(n, count) <= 2**23
