"""A line every 30 s where there is no terminal, so that a log tells what a run is at."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

EVERY = 30.0  # s between lines


@contextlib.contextmanager
def heartbeat(text: Callable[[], str]) -> Iterator[None]:
    """Prints a line every EVERY seconds while its body runs; on a terminal, bars do that.

    Args:
      text: returns the line; called in a thread.
    """
    if sys.stderr.isatty():
        yield
        return
    ended = threading.Event()

    def print_lines() -> None:
        while not ended.wait(EVERY):
            tqdm.write(text())

    thread = threading.Thread(target=print_lines, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def at_work(title: str) -> Iterator[None]:
    """Prints a heartbeat with the seconds since its start, for work that counts nothing."""
    started = time.monotonic()
    with heartbeat(lambda: f"{title}: at work for {time.monotonic() - started:.0f} s"):
        yield
