"""Groups split into blocks of queries and their candidates."""

import numpy as np
import pytest

from jax_dns.smoothing.partition import bucket, number_groups, partition_by_group


def test_groups_are_numbered_by_the_queries():
    group, query_group, n_groups = number_groups(np.asarray([7, -2, 5, 9]), np.asarray([9, 5, 9]))
    assert group.tolist() == [2, 2, 0, 1], "no query is of groups 7 and -2"
    assert query_group.tolist() == [1, 0, 1]
    assert n_groups == 2


def test_blocks_hold_each_query_once_and_only_its_pool(rng):
    groups, pool = rng.integers(0, 5, 300), rng.random(300) < 0.5
    group, query_group, n_groups = number_groups(groups, groups)
    blocks = partition_by_group(group, pool, query_group, n_groups, exclude_self=True)
    assert len(blocks) == 5
    assert sorted(np.concatenate([block.queries for block in blocks])) == list(range(300))
    for block in blocks:
        (number,) = set(groups[block.queries])
        assert set(block.rows) == set(np.flatnonzero(pool & (groups == number)))
        for query, position in zip(block.queries, block.self_index):
            assert block.rows[position] == query if pool[query] else position == -1


def test_queries_that_are_no_items_exclude_none(rng):
    (block,) = partition_by_group(
        np.zeros(9, int), np.ones(9, bool), np.zeros(4, int), 1, exclude_self=False
    )
    assert block.self_index.tolist() == [-1] * 4


def test_rows_to_leave_out_are_in_no_block():
    group, query_group = np.asarray([0, 3, 1, 2]), np.asarray([1, 2, 0])
    blocks = partition_by_group(group, np.ones(4, bool), query_group, 2, exclude_self=False)
    assert [block.rows.tolist() for block in blocks] == [[0], [2]]
    assert [block.queries.tolist() for block in blocks] == [[2], [0]]


@pytest.mark.parametrize("period", [2, 10, 144, 610])
def test_any_prefix_is_a_fair_sample(period):
    """Of a periodic file too: the first 16th holds each phase about equally often."""
    n = 6_100
    (block,) = partition_by_group(
        np.zeros(n, int), np.ones(n, bool), np.zeros(1, int), 1, exclude_self=False
    )
    assert sorted(block.rows) == list(range(n))
    share = (block.rows[: n // 16] % period < period // 2).mean()
    assert abs(share - (period // 2) / period) < 0.1


def test_few_sizes_for_many_groups():
    sizes = {bucket(n) for n in range(1_000, 8_001)}
    assert len(sizes) <= 14
    assert all(n <= bucket(n) <= 1.25 * n for n in range(4, 3_000))
