"""Runs work in threads that an interruption ends at once."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from jax_dns.datasets.http import Stopped
from jax_dns.errors import InputError

PATIENCE = 2.0  # s that threads get to end in after an interruption


def run_parallel(
    work: Callable[[Any], object],
    items: Sequence[Any],
    *,
    jobs: int,
    stop: threading.Event,
    is_final: Callable[[InputError], bool],
) -> list[InputError | None]:
    """Calls `work` on every item, on `jobs` at a time; an InputError of one leaves the rest alone.

    The threads are daemons, which those of concurrent.futures can't be: an interruption must not
    wait for a silent server until its time is up.

    Args:
      work: processes one item; must raise Stopped soon after `stop` is set.
      items: what to process.
      jobs: number of threads.
      stop: set by an interruption, by an exception other than InputError, and by an error for
        which `is_final` returns True.
      is_final: whether an error means that the remaining items need not be tried.

    Returns:
      For each item the InputError that `work` raised, or None.
    """
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    outcomes: queue.SimpleQueue = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)

    def process_items() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                if not stop.is_set():
                    work(items[index])
                outcomes.put((index, None))
            except BaseException as error:
                if isinstance(error, InputError) and is_final(error):
                    stop.set()  # before this thread takes the next item
                outcomes.put((index, error))

    threads = [
        threading.Thread(target=process_items, daemon=True) for _ in range(min(jobs, len(items)))
    ]
    errors: list[InputError | None] = [None] * len(items)
    try:
        for thread in threads:
            thread.start()
        for _ in items:
            index, error = outcomes.get()
            if isinstance(error, InputError):
                errors[index] = error
            elif error is not None and not isinstance(error, Stopped):
                raise error
    except BaseException:
        stop.set()
        deadline = time.monotonic() + PATIENCE
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        raise
    return errors
