"""Batches come in order, are read no further ahead than asked, and errors come through."""

import threading
import time

import pytest

from jax_dns.data.prefetch import read_ahead


@pytest.mark.parametrize("threads", [1, 3])
def test_in_order_whatever_takes_long(threads):
    def read(item):
        time.sleep(0.02 * (item % 3 == 0))
        return 10 * item

    got = read_ahead(read, range(8), ahead=4, threads=threads)
    assert list(got) == [10 * item for item in range(8)]


def test_no_further_ahead_than_asked():
    started = []
    batches = read_ahead(started.append, range(100), ahead=3)
    next(batches)
    time.sleep(0.05)
    assert started == [0, 1, 2, 3]
    before = threading.active_count()
    batches.close()
    assert threading.active_count() < before and started == [0, 1, 2, 3]


def test_an_error_comes_in_its_turn():
    batches = read_ahead(lambda item: 1 / item, [2, 1, 0, 5], ahead=4)
    assert next(batches) == 0.5 and next(batches) == 1
    with pytest.raises(ZeroDivisionError):
        next(batches)


def test_nothing_to_read():
    assert list(read_ahead(str, [], ahead=2)) == []
