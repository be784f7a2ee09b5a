"""Free memory, checked before a large allocation: an error in time instead of the OOM killer."""

import ctypes
import resource
from pathlib import Path
from typing import Any

import psutil

from jax_dns.errors import InputError

CGROUP = Path("/sys/fs/cgroup")


def check_room(needed: int, what: str) -> None:
    """Raises an error if a step is about to take more memory than is free.

    Args:
      needed: bytes.
      what: begins the message: the file or field that needs the memory.

    Raises:
      InputError: names the memory needed and the memory free.
    """
    left = available()
    if needed > left:
        raise InputError(
            f"{what}: needs {needed / 1e9:.2f} GB of memory, {max(left, 0) / 1e9:.2f} GB are left"
        )


def available() -> int:
    """Returns the bytes that the system, the container and the process's limit still allow."""
    limits = [psutil.virtual_memory().available, _container_available(), _process_available()]
    return min(limit for limit in limits if limit is not None)


def available_on(device: Any) -> int | None:
    """Returns the free bytes of one of JAX's devices, of the host for a CPU; None: unknown."""
    if device.platform == "cpu":
        return available()
    stats = device.memory_stats() or {}
    limit = stats.get("bytes_limit")
    return None if limit is None else limit - stats.get("bytes_in_use", 0)


def release_freed() -> None:
    """Returns freed memory to the system, where glibc would keep it.

    XLA's compilation of EfficientNet-B0 frees most of a GB, which would count until the end.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _container_available() -> int | None:
    """Reads control group v2; file pages that the kernel can drop count as free."""
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no control group, or its limit is "max"
        return None
    return limit - used + int(stat.get("inactive_file", 0))


def _process_available() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return None
    return soft - psutil.Process().memory_info().vms
