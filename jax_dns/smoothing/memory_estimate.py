"""Whether a problem fits in memory, checked before anything is moved or compiled."""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jax_dns.errors import InputError
from jax_dns.memory import available, available_on
from jax_dns.smoothing.host.block_distances import kept_columns, rows_in_block
from jax_dns.smoothing.sharded.arrays import is_sharded
from jax_dns.smoothing.validation import SmoothingInputs, is_traced

# Bytes below which we don't ask for the free memory: that takes 50 us, half of a small call's time.
UNCHECKED_BYTES = 2**28
COPIES = 2  # of the features on a device: in their frame, and a group's rows in another order
BLOCKS = 2  # of distances at once on a device
MIN_BLOCK_ROWS = 8


def check_device_memory(inputs: SmoothingInputs) -> None:
    """Raises an InputError if smoothing takes more memory than its devices have."""
    features = inputs.features
    if is_traced(features):
        return
    devices = None
    if is_sharded(features):
        devices = sorted(features.sharding.device_set, key=lambda device: device.id)
    needed = needed_bytes(
        *np.shape(features),
        itemsize=_itemsize(),
        queries=0 if inputs.exclude_self else len(inputs.query_scores),
        block_size=inputs.block_size,
        devices=len(devices or [0]),
        moved=not isinstance(features, jax.Array),
    )
    check_fits(needed, _describe(features), devices=devices)


def check_host_memory(inputs: SmoothingInputs) -> None:
    """Raises an InputError if smoothing takes more memory than the host has."""
    (n, d), m, itemsize = np.shape(inputs.features), len(inputs.query_scores), _itemsize()
    count = max(inputs.ks) - 1
    rows = min(inputs.block_size or rows_in_block(n, count), m)
    # Distances in the working type; of the nearest also positions, scores, order, in 8 bytes.
    block = rows * (kept_columns(n, count) * itemsize + min(n, 2 * count) * 24)
    threads = min(os.cpu_count() or 1, -(-m // rows))
    needed = itemsize * n * (d + 1) + threads * block
    _check(needed, _describe(inputs.features), available, "the host")


def check_streamed_memory(inputs: SmoothingInputs) -> None:
    """Raises an InputError if the queries, and the K nearest so far of each, don't fit."""
    m, d = np.shape(inputs.query_features)
    k = max(inputs.ks)
    needed = _itemsize() * m * (COPIES * d + 4 * (k - 1))
    check_fits(needed, f"query_features: {m} queries at k = {k}")


def check_neighbor_memory(n: int, k: int) -> None:
    """Raises an InputError if numbers and distances of n x k neighbours don't fit on the host."""
    copies = 3  # of 4 and 8 bytes: as found, with the items themselves, in the result's type
    _check(copies * 12 * n * k, f"k: {k} neighbours of {n} items", available, "the host")


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


def check_fits(needed: int, what: str, *, devices: list[jax.Device] | None = None) -> None:
    """Raises an error if a problem doesn't fit in memory.

    Args:
      needed: bytes on each device.
      what: the argument and its size, for the message.
      devices: those used; None: the first. Forced CPU devices share one memory.

    Raises:
      InputError: names the bytes needed and those available.
    """
    local = [
        x for x in devices or jax.local_devices()[:1] if x.process_index == jax.process_index()
    ]
    shares = len(local) if local[0].platform == "cpu" else 1

    def smallest() -> int | None:
        free = [available_on(x) for x in local]
        least = min((x // shares for x in free if x is not None), default=None)
        many = devices and len({x.process_index for x in devices}) > 1
        return _smallest_of_processes(least) if many else least

    on = f"each of {len(devices)} devices" if devices else str(local[0].device_kind)
    _check(needed, what, smallest, on)


def _check(needed: int, what: str, free: Callable[[], int | None], on: str) -> None:
    if needed <= UNCHECKED_BYTES:
        return
    left = free()
    if left is not None and needed > left:
        raise InputError(
            f"{what} takes {needed / 2**30:.1f} GiB more on {on}, "
            f"expected at most the {left / 2**30:.1f} GiB available: "
            "fewer rows, a smaller block_size, or features sharded over more devices"
        )


def _itemsize() -> int:
    return jax.dtypes.canonicalize_dtype(np.float64).itemsize


def _describe(features: Any) -> str:
    return f"features: shape {list(np.shape(features))} of {features.dtype}"


def _smallest_of_processes(least: int | None) -> int | None:
    """Returns the minimum over all processes: if one raised alone, the others would wait for it."""
    from jax.experimental import multihost_utils

    mebibytes = np.int32(2**31 - 1 if least is None else least >> 20)
    smallest = int(multihost_utils.process_allgather(mebibytes).min())
    return None if smallest == 2**31 - 1 else smallest << 20
