"""Work on several things at once that an interruption ends at once."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from jax_dns.datasets.http import Stopped
from jax_dns.errors import InputError

PATIENCE = 2.0  # s that threads get to end in


def each(
    work: Callable[[Any], object],
    items: Sequence[Any],
    *,
    jobs: int,
    stop: threading.Event,
    is_final: Callable[[InputError], bool],
) -> list[InputError | None]:
    """Calls `work` on every item, `jobs` at once; one that fails doesn't keep others from it.

    The threads are daemons, which those of concurrent.futures can't be: an interruption must not
    wait until a silent server has used up its time.

    Args:
      work: what to do; raises Stopped soon after `stop` is set.
      items: with what.
      jobs: threads.
      stop: set on an interruption, on an error that isn't an InputError, and where
        `is_final(error)` says that the rest need not be tried.
      is_final: see `stop`.

    Returns:
      For each item, what `work` raised.
    """
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    outcomes: queue.SimpleQueue = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)

    def run() -> None:
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
                    stop.set()  # here, or this thread would take the next item up
                outcomes.put((index, error))

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(jobs, len(items)))]
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
