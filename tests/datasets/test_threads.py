"""Work in threads: an error leaves other items alone, an interruption ends all."""

import threading

import pytest

from jax_dns.datasets import threads
from jax_dns.datasets.http import Stopped
from jax_dns.errors import InputError

SOON = 20.0  # s; only a failing test waits for so long


def run_parallel(work, items, *, jobs=2, stop=None, is_final=lambda error: False):
    stop = stop or threading.Event()
    return threads.run_parallel(work, items, jobs=jobs, stop=stop, is_final=is_final)


def test_every_item_is_processed_once():
    done = []
    assert run_parallel(done.append, range(20), jobs=3) == [None] * 20
    assert sorted(done) == list(range(20))


def test_as_many_items_at_once_as_there_are_jobs():
    """Threads meet at a barrier of three: two would never pass, a fourth would be counted."""
    lock, running, counts = threading.Lock(), 0, []
    together = threading.Barrier(3, action=lambda: counts.append(running))

    def work(item):
        nonlocal running
        with lock:
            running += 1
        together.wait(SOON)
        with lock:
            running -= 1

    assert run_parallel(work, range(60), jobs=3) == [None] * 60
    assert counts == [3] * 20


def test_an_error_is_returned_at_its_item_and_the_rest_is_processed():
    done = []

    def work(item):
        if item == 3:
            raise InputError("three")
        done.append(item)

    errors = run_parallel(work, range(6))
    assert [str(error) for error in errors if error] == ["three"] and errors[3]
    assert sorted(done) == [0, 1, 2, 4, 5]


def test_after_a_final_error_nothing_is_begun():
    done, stop = [], threading.Event()

    def work(item):
        if item == 1:
            raise InputError("full")
        done.append(item)

    errors = run_parallel(
        work, range(6), jobs=1, stop=stop, is_final=lambda error: "full" in str(error)
    )
    assert done == [0] and stop.is_set() and isinstance(errors[1], InputError)


def test_an_error_of_another_kind_is_raised_and_ends_the_others():
    stop, ended = threading.Event(), threading.Event()
    both_began = threading.Barrier(2)

    def work(item):
        both_began.wait(SOON)
        if item == 0:
            raise ZeroDivisionError
        assert stop.wait(SOON)
        ended.set()
        raise Stopped

    with pytest.raises(ZeroDivisionError):
        run_parallel(work, range(2), stop=stop)
    assert ended.is_set()  # the call has waited for the other thread


def test_a_thread_that_does_not_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE", 0.01)
    release, both_began = threading.Event(), threading.Barrier(2)

    def work(item):
        both_began.wait(SOON)
        if item == 0:
            raise KeyboardInterrupt
        release.wait(SOON)

    with pytest.raises(KeyboardInterrupt):
        run_parallel(work, range(2))
    assert not release.is_set()
    release.set()
