"""Plans of which device gets which rows."""

import numpy as np

from jax_dns.smoothing.sharded.reshard import partition_held_rows, plan_reshard


def test_every_device_gets_its_share_of_every_class(rng):
    for n, p in ((103, 8), (64, 4), (5, 8)):
        classes = np.sort(rng.integers(0, 5, n))
        rows = -(-n // p)
        plan = plan_reshard(classes, p, rows)
        held = [h[h >= 0] for h in plan.held]
        assert sorted(np.concatenate(held)) == list(range(n))
        for value in set(classes):
            counts = [(classes[h] == value).sum() for h in held]
            assert max(counts) - min(counts) <= 1
        for source in range(p):
            sent = plan.send[source][plan.send[source] < rows]
            assert sorted(sent) == list(range(min(rows, max(0, n - source * rows))))


def test_rows_of_one_class_stay_or_are_dealt():
    classes = np.zeros(10, int)
    stay, dealt = (plan_reshard(classes, 4, 3, deal=deal) for deal in (False, True))
    assert stay.send is None
    np.testing.assert_array_equal(stay.held[0], [0, 1, 2])
    for device, held in enumerate(dealt.held):
        assert sorted(held[held >= 0]) == list(range(device, 10, 4))


def test_blocks_over_devices_hold_each_query_once(rng):
    n, p = 300, 4
    group, pool = rng.integers(0, 3, n), rng.random(n) < 0.5
    plan = plan_reshard(2 * group + pool, p, 75)
    all_queries = []
    blocks = partition_held_rows(group, pool, plan, group, plan, 3, exclude_self=True)
    for g, block in enumerate(blocks):
        all_rows = []
        for device, held in enumerate(plan.held):
            rows = held[block.rows[device][: block.row_count[device]]]
            queries = held[block.queries[device][: block.query_count[device]]]
            self_index = block.self_index[device][: block.query_count[device]]
            all_rows += list(rows)
            all_queries += list(queries)
            for query, position in zip(queries, self_index):
                assert rows[position] == query if pool[query] else position == -1
        assert sorted(all_rows) == list(np.flatnonzero(pool & (group == g)))
    assert sorted(all_queries) == list(range(n))
