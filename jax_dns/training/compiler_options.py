"""How XLA compiles networks for a GPU."""

import functools

import jax

# XLA compiles each fusion and each product several ways and times them. EfficientNet-B0's training
# step, compiled for an H100 on a host without one: 43 s, 14 s with these (two Intel Xeon cores).
QUICK = {"xla_gpu_experimental_enable_fusion_autotuner": False, "xla_gpu_enable_triton_gemm": False}


@functools.cache
def compiler_options() -> dict[str, bool] | None:
    """Returns `compiler_options` of `jax.jit` for programs of many layers; None but for a GPU.

    Convolutions are still chosen by timing. JAX takes options only for programs that aren't part
    of another, and an option that this XLA doesn't know is left out.
    """
    if jax.default_backend() != "gpu":
        return None
    return {name: value for name, value in QUICK.items() if _is_known(name, value)}


def _is_known(name: str, value: bool) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options={name: value}).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
