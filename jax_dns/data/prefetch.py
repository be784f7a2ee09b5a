"""Batches read before their turn, while the device works."""

import collections
import itertools
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Batch = TypeVar("Batch")


def read_ahead(
    read: Callable[[Item], Batch], items: Iterable[Item], *, ahead: int, threads: int = 1
) -> Generator[Batch, None, None]:
    """Yields `read(item)` for each item, in order, read by threads.

    Args:
      read: what to do for an item; called in a thread.
      items: of the batches.
      ahead: batches read, or being read, before they are asked for.
      threads: that read.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting = iter(items)
        pending = collections.deque(
            pool.submit(read, item) for item in itertools.islice(waiting, ahead)
        )
        try:
            while pending:
                batch = pending.popleft().result()
                pending.extend(pool.submit(read, item) for item in itertools.islice(waiting, 1))
                yield batch
        finally:
            for future in pending:
                future.cancel()
