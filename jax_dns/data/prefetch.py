"""Reads batches in threads before they are needed, while the device computes."""

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
      read: reads the batch of one item; called in a thread.
      items: describes the batches, such as their numbers.
      ahead: batches that are read, or being read, before the caller asks for them.
      threads: number of threads that read.
    """
    with ThreadPoolExecutor(threads) as pool:
        remaining = iter(items)
        pending = collections.deque(
            pool.submit(read, item) for item in itertools.islice(remaining, ahead)
        )
        try:
            while pending:
                batch = pending.popleft().result()
                pending.extend(pool.submit(read, item) for item in itertools.islice(remaining, 1))
                yield batch
        finally:
            for future in pending:
                future.cancel()
