"""The routes through Eq. 7: NumPy, one device, several devices, a history in a file."""

import jax
from jaxtyping import Float

from jax_dns.smoothing.engine.grouped import smooth_by_selection
from jax_dns.smoothing.host.smooth_on_host import smooth_on_host
from jax_dns.smoothing.memory_estimate import (
    check_device_memory,
    check_host_memory,
    check_streamed_memory,
)
from jax_dns.smoothing.reference import smooth_readably
from jax_dns.smoothing.sharded.arrays import is_sharded
from jax_dns.smoothing.sharded.query_blocks import smooth_sharded
from jax_dns.smoothing.streaming import is_streamed, smooth_streamed
from jax_dns.smoothing.validation import SmoothingInputs, check_device_range
from jax_dns.types import ArrayLike

MAX_SORTED = 2**13  # n x K up to which Eq. 7's readable form is traced
# Pairs of query and item that NumPy smooths where there is an accelerator: nothing is compiled.
ACCELERATOR_PAIRS = 2**23


def smooth_by_route(inputs: SmoothingInputs) -> Float[ArrayLike, "k m"]:
    """Chooses the route and smooths (Eq. 7); arguments are checked, every K is above 1."""
    if is_sharded(inputs.features):
        check_device_memory(inputs)
        return smooth_sharded(inputs)
    if is_streamed(inputs):
        check_streamed_memory(inputs)
        return smooth_streamed(inputs)
    if is_for_host(inputs):
        check_host_memory(inputs)
        return smooth_on_host(inputs)
    check_device_range(inputs)
    if len(inputs.scores) * max(inputs.ks) <= MAX_SORTED:
        return smooth_readably(inputs)
    check_device_memory(inputs)
    return smooth_by_selection(inputs)


def is_for_host(inputs: SmoothingInputs) -> bool:
    """Returns whether NumPy does the work: all of it on a CPU, small problems elsewhere."""
    if inputs.is_traced():
        return False
    devices = {d.platform for x in inputs if isinstance(x, jax.Array) for d in x.devices()}
    if jax.default_backend() == "cpu" or devices == {"cpu"}:
        return True
    pairs = len(inputs.scores) * len(inputs.query_scores)
    return not devices and pairs <= ACCELERATOR_PAIRS
