"""Names of the machine and its devices, and the memory that a process has used."""

import os
from pathlib import Path

import jax


def cpu_name() -> str:
    """Returns the processor's model and the number of cores that this process may use."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else 'CPU'}, {len(os.sched_getaffinity(0))} cores"


def jax_device() -> str:
    """Returns the name of JAX's default device."""
    device = jax.local_devices()[0]
    return cpu_name() if device.platform == "cpu" else device.device_kind


def torch_device() -> str:
    """Returns the name of the device that PyTorch's engines use: the first GPU, or the CPU."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()


def jax_memory() -> int | None:
    """Returns the bytes that JAX may use on its default device; None on a CPU."""
    device = jax.local_devices()[0]
    stats = None if device.platform == "cpu" else device.memory_stats()
    return stats.get("bytes_limit") if stats else None


def jax_peak_mib() -> float | None:
    """Returns the most device memory that JAX has held, in MiB; None on a CPU."""
    device = jax.local_devices()[0]
    stats = None if device.platform == "cpu" else device.memory_stats()
    return stats["peak_bytes_in_use"] / 2**20 if stats else None


def torch_peak_mib() -> float | None:
    """Returns the most GPU memory that PyTorch has held, in MiB; None without a GPU."""
    import torch

    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None


def host_peak_mib() -> float:
    """Returns the most host memory that this process has held, in MiB."""
    # VmHWM rather than ru_maxrss, which a child process inherits from its parent.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
