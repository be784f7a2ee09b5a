"""Rows in memory: the window's edges, and what is dropped."""

import numpy as np

from jax_dns.monitor.neighbor_lists import Items
from jax_dns.monitor.section_rows import (
    FEWEST_DROPPED,
    Section,
    read_features,
    within_window,
    without_expired,
    write_features,
)

DAY = 86_400.0


def section(live, base=0):
    n = len(live)
    items = Items(live, live, np.ones(n), np.arange(n))
    values = np.arange(n, dtype=np.float32)
    origin = np.zeros(2, np.float32)
    return Section(1, 2, origin, base, values, values.astype(np.float64), live, items)


def test_a_window_of_items_and_days():
    live = np.asarray([True, False, True, True, True])
    time = np.asarray([0, 1, 2, 9, 4]) * DAY
    assert within_window(live, time, 2, None).tolist() == [False, False, False, True, True]
    assert within_window(live, time, None, 5.0).tolist() == [False, False, False, True, True]
    assert within_window(live, time, None, 7.0).tolist() == [False, False, True, True, True]
    assert within_window(live, time, 1, 7.0).tolist() == [False] * 4 + [True]
    assert not within_window(live, time, 0, None).any()


def test_only_many_expired_rows_are_dropped_and_rows_keep_their_numbers():
    n = 4 * FEWEST_DROPPED
    live = np.arange(n) >= 3 * FEWEST_DROPPED
    kept = without_expired(section(live, base=10))
    assert kept.base == 10 + 3 * FEWEST_DROPPED and kept.items.live.all()
    assert kept.score[0] == 3 * FEWEST_DROPPED and kept.items.bound_row[0] == 0
    few = section(np.arange(n) >= 5)
    assert without_expired(few) is few
    assert len(without_expired(section(np.zeros(n, bool))).score) == 0


def test_features_are_written_after_the_last_row(tmp_path):
    state = section(np.ones(3, bool))
    (tmp_path / "features-1.f32").write_bytes(b"\xff" * 100)  # of a clip never committed
    write_features(tmp_path, state, np.full((2, 2), 7, np.float32))
    assert (tmp_path / "features-1.f32").stat().st_size == 5 * 2 * 4
    assert (read_features(tmp_path, state, 3, 2) == 7).all()
