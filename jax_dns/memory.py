"""Memory that is left, looked at before a big allocation: an error in time beats the OOM killer."""

import resource
from pathlib import Path
from typing import Any

from jax_dns.errors import InputError

CGROUP = Path("/sys/fs/cgroup")


def check_room(needed: int, what: str) -> None:
    """Raises where less memory is left than a step is about to take.

    Args:
      needed: bytes.
      what: begins the message: the file or field that asks for it.

    Raises:
      InputError: says how much is needed and how much is left.
    """
    left = available()
    if left is not None and needed > left:
        raise InputError(
            f"{what}: needs {needed / 1e9:.2f} GB of memory, {max(left, 0) / 1e9:.2f} GB are left"
        )


def available() -> int | None:
    """Bytes that the system, the container and the process's limit still allow; None: unknown."""
    left = [_of_system(), _of_container(), _of_limit()]
    known = [value for value in left if value is not None]
    return min(known) if known else None


def available_on(device: Any) -> int | None:
    """Bytes free on one of JAX's devices, for a CPU those of `available`; None: unknown."""
    if device.platform == "cpu":
        return available()
    stats = device.memory_stats() or {}
    limit = stats.get("bytes_limit")
    return None if limit is None else limit - stats.get("bytes_in_use", 0)


def _of_system() -> int | None:
    return _field(Path("/proc/meminfo"), "MemAvailable:", unit=1024)


def _of_container() -> int | None:
    """Control group v2; pages of files that it can drop count as free."""
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # none, or "max"
        return None
    return limit - used + (_field(CGROUP / "memory.stat", "inactive_file") or 0)


def _of_limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return None
    used = _field(Path("/proc/self/status"), "VmSize:", unit=1024)
    return None if used is None else soft - used


def _field(path: Path, name: str, *, unit: int = 1) -> int | None:
    try:
        for line in path.read_text().splitlines():
            if line.split()[:1] == [name]:
                return int(line.split()[1]) * unit
    except (OSError, ValueError, IndexError):
        pass
    return None
