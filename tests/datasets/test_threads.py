"""Several things at once: one error keeps nothing back, an interruption ends all."""

import threading
import time

import pytest

from jax_dns.datasets import threads
from jax_dns.datasets.http import Stopped
from jax_dns.errors import InputError


def each(work, items, *, jobs=2, stop=None, is_final=lambda error: False):
    stop = stop or threading.Event()
    return threads.each(work, items, jobs=jobs, stop=stop, is_final=is_final)


def test_all_is_done_once():
    done = []
    assert each(done.append, range(20), jobs=3) == [None] * 20
    assert sorted(done) == list(range(20))


def test_no_more_at_once_than_asked():
    now, most, lock = 0, 0, threading.Lock()

    def work(_):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1

    each(work, range(12), jobs=3)
    assert 1 < most <= 3


def test_an_error_stands_at_its_item_and_the_rest_is_done():
    done = []

    def work(item):
        if item == 3:
            raise InputError("three")
        done.append(item)

    errors = each(work, range(6))
    assert [str(error) for error in errors if error] == ["three"] and errors[3]
    assert sorted(done) == [0, 1, 2, 4, 5]


def test_after_a_final_error_nothing_is_begun():
    done, stop = [], threading.Event()

    def work(item):
        if item == 1:
            raise InputError("full")
        done.append(item)

    errors = each(work, range(6), jobs=1, stop=stop, is_final=lambda error: "full" in str(error))
    assert done == [0] and stop.is_set() and isinstance(errors[1], InputError)


def test_an_error_of_another_kind_comes_out_and_ends_the_others():
    stop = threading.Event()

    def work(item):
        if item == 0:
            raise ZeroDivisionError
        while not stop.is_set():
            time.sleep(0.001)
        raise Stopped

    begin = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        each(work, range(2), stop=stop)
    assert stop.is_set() and time.monotonic() - begin < threads.PATIENCE
