"""Whether a problem fits in memory, asked before anything is moved or compiled."""

import jax

from jax_dns.errors import InputError
from jax_dns.memory import available_on

# Bytes that are not worth a question: asking takes 50 us, half of a small call's time.
SMALL = 2**28
# Of the features while blocks go by: centred, and a group's rows in an order of their own.
COPIES = 2
BLOCKS = 2  # of distances at once
FEWEST_ROWS = 8  # of a block


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
    """Bytes that smoothing takes on each device beside what is there before it.

    Args:
      n: items.
      d: columns of the features.
      itemsize: bytes of a value.
      queries: m, where the queries are not the items.
      block_size: queries in a block; None: the fewest that are ever taken.
      devices: that the rows are spread over.
      moved: whether the features are yet to be brought to the device.

    Returns:
      Bytes.
    """
    rows, asked = -(-n // devices), -(-queries // devices)
    copies = COPIES + int(moved)
    block = min(block_size or FEWEST_ROWS, queries or n)
    return itemsize * (copies * d * (rows + asked) + BLOCKS * block * rows)


def streamed_bytes(m: int, d: int, k: int, *, itemsize: int = 4) -> int:
    """Bytes that m queries take whose history stays in its file: the K nearest so far, twice."""
    return itemsize * m * (COPIES * d + 4 * (k - 1))


def check_fits(needed: int, what: str, *, devices: list[jax.Device] | None = None) -> None:
    """Refuses what can't fit.

    Args:
      needed: bytes on each device.
      what: the argument and its size, for the message.
      devices: those used; None: the first. Forced CPU devices share one memory.

    Raises:
      InputError: how much is needed, and how much is at hand.
    """
    if needed <= SMALL:
        return
    here = [x for x in devices or jax.local_devices()[:1] if x.process_index == jax.process_index()]
    found = [available_on(x) for x in here]
    sizes = [x // (len(here) if here[0].platform == "cpu" else 1) for x in found if x is not None]
    have = min(sizes, default=None)
    if devices and len({x.process_index for x in devices}) > 1:
        have = _smallest(have)
    if have is not None and needed > have:
        on = f"each of {len(devices)} devices" if devices else str(here[0].device_kind)
        raise InputError(
            f"{what} takes {needed / 2**30:.1f} GiB more on {on}, "
            f"expected at most the {have / 2**30:.1f} GiB at hand: "
            "fewer rows, a smaller block_size, or features sharded over more devices"
        )


def _smallest(have: int | None) -> int | None:
    """Of all processes: one that went on alone would wait for the others for ever."""
    import numpy as np
    from jax.experimental import multihost_utils

    mebibytes = np.int32(2**31 - 1 if have is None else have >> 20)
    least = int(multihost_utils.process_allgather(mebibytes).min())
    return None if least == 2**31 - 1 else least << 20
