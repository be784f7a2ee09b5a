"""PyTorch's device, number formats and compilation, as the workloads share them.

On a GPU float32 products and convolutions use TF32, which is also JAX's default there.
"""

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from inputs import Workload
from torch_networks import DEVICE

Call = Callable[[], object]
torch.set_float32_matmul_precision("high")  # TF32
torch.backends.cudnn.allow_tf32 = True
torch.backends.cudnn.benchmark = True


def autocast(workload: Workload):
    """Returns a context that computes in the workload's number format."""
    if workload.dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(DEVICE, torch.bfloat16)


def maybe_compile(function, workload: Workload):
    """Returns the function, compiled where the workload asks for it."""
    return torch.compile(function) if workload.compiled else function


def to_device(*arrays: np.ndarray):
    """Returns tensors on the device: one, or a tuple of several."""
    tensors = tuple(torch.from_numpy(array).to(DEVICE) for array in arrays)
    return tensors if len(tensors) > 1 else tensors[0]


def synchronised(function: Callable) -> Call:
    """Returns a call that waits until the device has finished."""

    def call() -> None:
        function()
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return call
