"""Signals arrive, wherever Python is when they come."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from jax_dns import preemption
from jax_dns.preemption import Terminated, defer_sigterm, raise_on_signal

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
SIGNALS = [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
SOON = 20.0  # s; only a failing test waits for so long


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(preemption, "AGAIN", 0.02)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # put back after each test
    before = [*map(signal.getsignal, HANDLED)]
    yield
    assert before == [*map(signal.getsignal, HANDLED)]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def send(number):
    os.kill(os.getpid(), number)


def wait_for_it():
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        time.sleep(0.001)
    pytest.fail("the signal's exception did not arrive")


@pytest.mark.parametrize(("number", "exception"), SIGNALS)
def test_it_ends_at_once(number, exception):
    def action():
        send(number)
        pytest.fail("continued")

    with pytest.raises(exception):
        raise_on_signal(action)


def test_the_result_is_that_of_the_action():
    assert raise_on_signal(lambda: 5) == 5


def lost_in_del(number):
    class Deleted:
        def __del__(self):
            send(number)
            time.sleep(0)

    Deleted()


def lost_in_garbage_collection(number):
    """As in JAX's callback, which runs whenever Python collects garbage."""

    def callback(phase, info):
        gc.callbacks.remove(callback)
        send(number)
        time.sleep(0)

    gc.callbacks.append(callback)
    gc.collect()


def lost_in_a_hook(number):
    with contextlib.suppress(BaseException):
        send(number)
        time.sleep(0)


@pytest.mark.parametrize("lose", [lost_in_del, lost_in_garbage_collection, lost_in_a_hook])
@pytest.mark.parametrize(("number", "exception"), SIGNALS)
def test_a_lost_exception_comes_again(number, exception, lose, capsys):
    def action():
        lose(number)
        wait_for_it()

    with pytest.raises(exception):
        raise_on_signal(action)
    assert capsys.readouterr().err == ""


def test_it_comes_again_until_it_has_arrived():
    """As often as it is lost."""
    losses = []

    def action():
        lost_in_a_hook(signal.SIGTERM)
        for _ in range(5):
            try:
                wait_for_it()
            except Terminated:
                losses.append(1)
        wait_for_it()

    with pytest.raises(Terminated):
        raise_on_signal(action)
    assert len(losses) == 5


@pytest.mark.parametrize(("number", "exception"), SIGNALS)
def test_a_lost_exception_is_raised_at_the_end_at_the_latest(number, exception):
    with pytest.raises(exception):
        raise_on_signal(lambda: lost_in_a_hook(number))


@pytest.mark.parametrize(("number", "exception"), SIGNALS)
def test_an_exception_turned_into_another_is_turned_back(number, exception):
    def action():
        try:
            send(number)
            time.sleep(0)
        except BaseException as cause:
            raise RuntimeError("INTERNAL: callback failed") from cause

    with pytest.raises(exception) as error:
        raise_on_signal(action)
    assert isinstance(error.value.__cause__, RuntimeError)


def test_a_timer_of_the_caller_keeps_its_handler():
    """Such as a limit on the time of a test."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert raise_on_signal(lambda: time.sleep(0.1) or 5) == 5
    finally:
        signal.signal(signal.SIGALRM, before)
    assert rung == [1]


def test_other_exceptions_pass():
    with pytest.raises(ZeroDivisionError):
        raise_on_signal(lambda: 1 / 0)


def test_cleaning_up_is_not_disturbed_by_repetition():
    steps = []

    def action():
        try:
            send(signal.SIGTERM)
            pytest.fail("continued")
        finally:
            for step in range(10):
                time.sleep(0.02)
                steps.append(step)

    with pytest.raises(Terminated):
        raise_on_signal(action)
    assert len(steps) == 10


def test_a_second_ctrl_c_ends_the_cleaning_up():
    def action():
        try:
            send(signal.SIGINT)
        finally:
            send(signal.SIGINT)
            pytest.fail("cleaned up to the end")

    with pytest.raises(KeyboardInterrupt):
        raise_on_signal(action)


RACE = """
import random, signal, sys, threading, time
from jax_dns import preemption
preemption.AGAIN = 0.02
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)

def state():
    timer = signal.getitimer(signal.ITIMER_REAL)
    return [*map(signal.getsignal, HANDLED), timer]

before, arrived = state(), 0
for trial in range(150):
    delay = random.Random(trial).uniform(0, 0.004)
    arguments = [threading.get_ident(), signal.SIGINT]
    timer = threading.Timer(delay, signal.pthread_kill, arguments)
    end = time.monotonic() + 5
    try:
        timer.start()
        while time.monotonic() < end:
            preemption.raise_on_signal(lambda: None)
    except KeyboardInterrupt:
        arrived += 1
    timer.join()
    assert state() == before, (trial, state())
print(arrived)
"""


def test_signals_at_any_moment_restore_handlers_and_timer():
    """Beginnings and ends too. In a process without pytest and its type checks around each call."""
    environment = os.environ | {"PYTHONPATH": str(Path(preemption.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", RACE], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("150\n", "")


def test_deferred_until_the_caller_ends():
    with pytest.raises(Terminated), defer_sigterm() as terminating:
        assert not terminating()
        send(signal.SIGTERM)
        time.sleep(0)
        assert terminating()


def test_lost_before_a_training_it_is_deferred_there():
    def action():
        lost_in_a_hook(signal.SIGTERM)
        with defer_sigterm() as terminating:
            end = time.monotonic() + SOON
            while not terminating():
                assert time.monotonic() < end
                time.sleep(0.001)

    with pytest.raises(Terminated):
        raise_on_signal(action)


def test_ctrl_c_interrupts_a_training_at_once():
    def action():
        with defer_sigterm():
            lost_in_del(signal.SIGINT)
            wait_for_it()

    with pytest.raises(KeyboardInterrupt):
        raise_on_signal(action)


def test_other_threads_leave_the_handlers_alone():
    handlers = []

    def action():
        with defer_sigterm() as terminating:
            handlers.append((signal.getsignal(signal.SIGTERM), terminating()))

    thread = threading.Thread(target=raise_on_signal, args=[action])
    thread.start()
    thread.join()
    assert handlers == [(signal.getsignal(signal.SIGTERM), False)]


def test_after_a_signal_reads_of_a_checkpoint_report_nothing(monkeypatch):
    """Tracebacks would stand beside the command's one line."""
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda error: reported.append(str(error.exc_value)))
    first = sys.unraisablehook

    def report(text):
        sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError(text)))

    raise_on_signal(lambda: report("Event loop is closed"))
    assert reported == ["Event loop is closed"] and sys.unraisablehook is first
    with pytest.raises(Terminated):
        raise_on_signal(lambda: (send(signal.SIGTERM), wait_for_it()))
    report("Event loop is closed")
    report("something else")
    assert reported == ["Event loop is closed", "something else"]
