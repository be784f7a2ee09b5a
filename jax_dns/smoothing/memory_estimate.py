"""Whether a problem fits in memory, checked before anything is moved or compiled."""

import jax

from jax_dns.errors import InputError
from jax_dns.memory import available_on

# Bytes below which we don't ask for the free memory: that takes 50 us, half of a small call's time.
UNCHECKED_BYTES = 2**28
COPIES = 2  # of the features: centred, and a group's rows in pseudo-random order
BLOCKS = 2  # of distances at once
MIN_BLOCK_ROWS = 8


def needed_bytes(
    n: int,
    d: int,
    *,
    itemsize: int = 4,
    queries: int = 0,
    block_size: int | None = None,
    devices: int = 1,
    moved: bool = False,
) -> int:
    """Estimates the bytes that smoothing takes on each device beside what it holds already.

    Args:
      n: items.
      d: columns of the features.
      itemsize: bytes of a value.
      queries: m; 0 if the queries are the items.
      block_size: queries in a block; None: the fewest that are ever chosen.
      devices: that the rows are spread over.
      moved: whether the features are yet to be copied to the device.

    Returns:
      Bytes.
    """
    rows, query_rows = -(-n // devices), -(-queries // devices)
    copies = COPIES + int(moved)
    block = min(block_size or MIN_BLOCK_ROWS, queries or n)
    return itemsize * (copies * d * (rows + query_rows) + BLOCKS * block * rows)


def streamed_bytes(m: int, d: int, k: int, *, itemsize: int = 4) -> int:
    """Estimates the bytes of m queries against a history in a file: the K nearest so far, twice."""
    return itemsize * m * (COPIES * d + 4 * (k - 1))


def check_fits(needed: int, what: str, *, devices: list[jax.Device] | None = None) -> None:
    """Raises an error if a problem doesn't fit in memory.

    Args:
      needed: bytes on each device.
      what: the argument and its size, for the message.
      devices: those used; None: the first. Forced CPU devices share one memory.

    Raises:
      InputError: names the bytes needed and those available.
    """
    if needed <= UNCHECKED_BYTES:
        return
    local = [
        x for x in devices or jax.local_devices()[:1] if x.process_index == jax.process_index()
    ]
    free = [available_on(x) for x in local]
    shares = len(local) if local[0].platform == "cpu" else 1
    available = min((x // shares for x in free if x is not None), default=None)
    if devices and len({x.process_index for x in devices}) > 1:
        available = _smallest_of_processes(available)
    if available is not None and needed > available:
        on = f"each of {len(devices)} devices" if devices else str(local[0].device_kind)
        raise InputError(
            f"{what} takes {needed / 2**30:.1f} GiB more on {on}, "
            f"expected at most the {available / 2**30:.1f} GiB available: "
            "fewer rows, a smaller block_size, or features sharded over more devices"
        )


def _smallest_of_processes(available: int | None) -> int | None:
    """Returns the minimum over all processes: if one raised alone, the others would wait for it."""
    import numpy as np
    from jax.experimental import multihost_utils

    mebibytes = np.int32(2**31 - 1 if available is None else available >> 20)
    smallest = int(multihost_utils.process_allgather(mebibytes).min())
    return None if smallest == 2**31 - 1 else smallest << 20
