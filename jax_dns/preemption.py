"""SIGTERM, as a batch system or a preempted machine sends it: save first, then end."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

EXIT_CODE = 143  # 128 + 15, what a shell says of a process that SIGTERM ended


class Terminated(SystemExit):
    """SIGTERM has come and all that was to be saved is saved; its code is EXIT_CODE."""

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """SIGTERM raises Terminated wherever the main thread is: nothing there needs saving."""

    def end(*_: Any) -> None:
        raise Terminated

    with _handled(end):
        yield


@contextlib.contextmanager
def noted() -> Iterator[Callable[[], bool]]:
    """SIGTERM only sets what the function given says; whoever asks it saves and ends.

    Raises:
      Terminated: at the end, if SIGTERM came and nobody has ended for it.
    """
    came = threading.Event()
    with _handled(lambda *_: came.set()):
        yield came.is_set
    if came.is_set():
        raise Terminated


@contextlib.contextmanager
def _handled(handler: Callable[..., None]) -> Iterator[None]:
    # Python takes handlers in its main thread only. Several processes would have to agree on the
    # step at which they stop; there jax.distributed has a handler of its own, which stays.
    if threading.current_thread() is not threading.main_thread() or _several_processes():
        yield
        return
    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _several_processes() -> bool:
    jax = sys.modules.get("jax")  # commands that do without it need not import it for this
    return bool(jax and jax.distributed.is_initialized() and jax.process_count() > 1)
