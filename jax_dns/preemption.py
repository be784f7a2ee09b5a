"""Ends a command on SIGTERM or SIGINT: at once, or after a training has saved its state.

SIGTERM is what a batch system or a preempted machine sends, SIGINT is Ctrl-C. An exception that a
signal handler raises is lost where Python discards exceptions: while it collects garbage (JAX has
a callback there), in `__del__`, in a weak reference's callback. So the handlers also set a flag,
and a timer raises the exception again until it has arrived.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
EXIT_CODE = 143  # 128 + 15, the shell's exit code of a process that SIGTERM ended
CLOSED = "Event loop is closed"  # asyncio's words
AGAIN = 0.25  # s after which a signal's exception is raised again


class Terminated(SystemExit):
    """Raised on SIGTERM, in a training after its state is saved; its code is EXIT_CODE."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


EXCEPTIONS: dict[int, type[BaseException]] = {
    signal.SIGTERM: Terminated,
    signal.SIGINT: KeyboardInterrupt,
}
SIGNAL_EXCEPTIONS = tuple(EXCEPTIONS.values())


def raise_on_signal(action: Callable[[], T]) -> T:
    """Calls `action`; meanwhile SIGTERM raises Terminated, and SIGINT KeyboardInterrupt.

    A function rather than a context manager, which a signal can interrupt between its own lines,
    so that handlers would not be restored.

    Returns:
      The result of `action`.

    Raises:
      Terminated, KeyboardInterrupt: the signal came, even if its exception was lost at first or
        was turned into another one.
    """
    if not _can_handle_signals():
        return action()
    received: list[int] = []  # appending is atomic; a threading.Event could deadlock in a handler
    previous = {number: signal.getsignal(number) for number in (*EXCEPTIONS, signal.SIGALRM)}
    previous_hook = sys.unraisablehook

    def handle(number: int, frame: Any) -> None:
        received.append(number)
        # Not a thread that sends the signal again: the main thread would hand over to it mostly in
        # the garbage collector's callback, and lose the exception again there.
        signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
        raise EXCEPTIONS[number]

    def repeat(number: int, frame: Any) -> None:
        if not received:  # a timer of the caller's
            if callable(previous[number]):
                previous[number](number, frame)
            return
        current = signal.getsignal(received[0])
        if current is not handle and callable(current):  # that of defer_sigterm
            current(received[0], frame)
        elif not _is_unwinding():
            raise EXCEPTIONS[received[0]]

    def report_unraisable(unraisable: Any) -> None:
        error = unraisable.exc_value
        # Reads of a checkpoint that a signal interrupts report that their event loop is closed.
        if not (received and str(error) == CLOSED) and not isinstance(error, SIGNAL_EXCEPTIONS):
            previous_hook(unraisable)  # those of signals will come again

    def restore() -> None:
        for number in EXCEPTIONS:
            _set_handler(number, previous[number])
        if received:
            signal.setitimer(signal.ITIMER_REAL, 0)
        _set_handler(signal.SIGALRM, previous[signal.SIGALRM])
        if not received:  # otherwise such reads go on until the process ends
            sys.unraisablehook = previous_hook

    try:
        sys.unraisablehook = report_unraisable
        for number, handler in ((signal.SIGALRM, repeat), *((n, handle) for n in EXCEPTIONS)):
            signal.signal(number, handler)
        result = action()
    except BaseException as error:
        if received and not isinstance(error, SIGNAL_EXCEPTIONS):
            raise EXCEPTIONS[received[0]] from error
        raise
    finally:
        try:
            restore()
        except SIGNAL_EXCEPTIONS:  # a signal in this very moment
            restore()
            raise
    if received:
        raise EXCEPTIONS[received[0]]
    return result


@contextlib.contextmanager
def defer_sigterm() -> Iterator[Callable[[], bool]]:
    """Defers SIGTERM: once it has come, the yielded function returns True; the caller then saves.

    Raises:
      Terminated: at the end, if SIGTERM came.
    """
    received: list[int] = []
    if not _can_handle_signals():
        yield lambda: False
        return
    previous = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        _set_handler(signal.SIGTERM, previous)
    if received:
        raise Terminated


def _can_handle_signals() -> bool:
    """Returns whether handlers may be installed.

    Python accepts them in its main thread only. Several processes would have to agree on the step
    at which they stop; there jax.distributed has a handler of its own, which stays.
    """
    jax = sys.modules.get("jax")  # commands that do without JAX need not import it for this
    several = jax and jax.distributed.is_initialized() and jax.process_count() > 1
    return threading.current_thread() is threading.main_thread() and not several


def _set_handler(number: int, handler: Any) -> None:
    signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _is_unwinding() -> bool:
    """Returns whether a signal's exception is on its way up already, through cleaning up."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, SIGNAL_EXCEPTIONS):
            return True
        error = error.__context__
    return False
