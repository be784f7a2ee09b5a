"""Batches come in order, are read no further ahead than asked, and errors come through."""

import threading

import pytest

from jax_dns.data import prefetch
from jax_dns.data.prefetch import read_ahead

SOON = 20.0  # s; only a failing test waits for so long


@pytest.mark.parametrize("threads", [2, 3])
def test_batches_come_in_order_whichever_is_read_first(threads):
    """Item 0 is held back until item 1 has been read."""
    second_is_read = threading.Event()

    def read(item):
        if item == 0:
            assert second_is_read.wait(SOON)
        if item == 1:
            second_is_read.set()
        return 10 * item

    batches = read_ahead(read, range(8), ahead=4, threads=threads)
    assert list(batches) == [10 * item for item in range(8)]


def test_batches_are_read_before_they_are_asked_for():
    """The first batch is only finished once the fourth is being read: three ahead of it."""
    fourth_is_read = threading.Event()

    def read(item):
        if item == 3:
            fourth_is_read.set()
        return item

    batches = read_ahead(read, range(100), ahead=3)
    assert next(batches) == 0
    assert fourth_is_read.wait(SOON)
    batches.close()


def test_no_batch_is_taken_further_ahead_than_asked():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    batches = read_ahead(str, items(), ahead=3)
    for n in range(1, 20):
        next(batches)
        assert taken == list(range(n + 3))
    batches.close()


def test_after_a_close_nothing_is_read(monkeypatch):
    reading, release, started = threading.Event(), threading.Event(), []

    class Pool(prefetch.ThreadPoolExecutor):
        def __exit__(self, *error):  # by then what has not begun must have been cancelled
            release.set()
            return super().__exit__(*error)

    def read(item):
        started.append(item)
        if item == 1:
            reading.set()
            assert release.wait(SOON)

    monkeypatch.setattr(prefetch, "ThreadPoolExecutor", Pool)
    batches = read_ahead(read, range(100), ahead=3)
    next(batches)
    assert reading.wait(SOON)
    batches.close()
    assert started == [0, 1]


def test_an_error_comes_in_its_turn():
    batches = read_ahead(lambda item: 1 / item, [2, 1, 0, 5], ahead=4)
    assert next(batches) == 0.5 and next(batches) == 1
    with pytest.raises(ZeroDivisionError):
        next(batches)


def test_nothing_to_read():
    assert list(read_ahead(str, [], ahead=2)) == []
