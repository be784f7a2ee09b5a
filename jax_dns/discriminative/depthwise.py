"""Depthwise convolution: one way on CPUs, another on one GPU, another elsewhere.

XLA:CPU has no fast kernel for grouped convolutions. A sum of kh * kw shifted products takes 4 to 14
times less time there, and its hand-written derivative 6 to 20 times less (B0's shapes, batch of 8,
two cores, jaxlib 0.10.2). One GPU alone uses the kernels of `depthwise_gpu`; several GPUs and TPUs
use `lax.conv_general_dilated` and its derivative.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jax_dns.discriminative import depthwise_gpu
from jax_dns.types import ArrayLike


def depthwise_conv(
    x: Float[ArrayLike, "b h w c"], kernel: Float[ArrayLike, "kh kw c"], stride: int = 1
) -> Float[Array, "b i j c"]:
    """Filters each channel separately, with TensorFlow's SAME padding.

    Args:
      x: activations [b, h, w, c].
      kernel: one filter per channel [kh, kw, c], in the dtype of `x`.
      stride: the step in both directions.

    Returns:
      [b, ceil(h / stride), ceil(w / stride), c] in the dtype of `x`; summed in float32.
    """
    return _conv(x, kernel, stride)


def _grouped(x, kernel, *, stride):
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None, :],
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def _grouped_gradients(x, kernel, grad, *, stride):
    return jax.vjp(partial(_grouped, stride=stride), x, kernel)[1](grad)


def _same_padding(size, width, stride):
    """Returns the zeros before and after an axis; the larger half of an odd number goes after."""
    total = max((-(-size // stride) - 1) * stride + width - size, 0)
    return total // 2, total - total // 2


def _padded(x, kernel_shape, stride):
    sizes = zip(x.shape[1:3], kernel_shape, strict=False)
    rows, columns = (_same_padding(size, width, stride) for size, width in sizes)
    return jnp.pad(x, ((0, 0), rows, columns, (0, 0)))


def _shifted(x, kernel, *, stride):
    """Sums kernel[i, j] times the padded input shifted by (i, j), over all taps."""
    kh, kw, channels = kernel.shape
    taps = kernel.astype(jnp.float32).reshape(kh, kw, 1, 1, 1, channels)
    height, width = ((-(-size // stride) - 1) * stride + 1 for size in x.shape[1:3])
    padded = _padded(x, kernel.shape, stride)
    total = sum(
        padded[:, i : i + height : stride, j : j + width : stride] * taps[i, j]
        for i in range(kh)
        for j in range(kw)
    )
    return total.astype(x.dtype)


def _input_gradient(grad, kernel, *, stride, shape):
    """Computes the transposed convolution, one sum of shifted products per phase of the stride.

    Padded input row u * stride + a contributes through the taps a, a + stride, ... only, and
    through tap i to the output row u - i // stride. XLA's own transposition spreads `grad` with
    zeros, which takes 14 times as long for a 5x5 kernel of stride 2.
    """
    kh, kw, channels = kernel.shape
    taps = kernel.astype(jnp.float32).reshape(kh, kw, 1, 1, 1, channels)
    (top, _), (left, _) = (
        _same_padding(n, k, stride) for n, k in zip(shape, (kh, kw), strict=True)
    )
    rows, columns = -(-(top + shape[0]) // stride), -(-(left + shape[1]) // stride)
    above, before = (kh - 1) // stride, (kw - 1) // stride
    below, after = max(rows - grad.shape[1], 0), max(columns - grad.shape[2], 0)
    padded = jnp.pad(grad, ((0, 0), (above, below), (before, after), (0, 0)))

    def phase(a, b):
        return sum(
            padded[:, above - i // stride :, before - j // stride :][:, :rows, :columns]
            * taps[i, j]
            for i in range(a, kh, stride)
            for j in range(b, kw, stride)
        )

    phases = [jnp.stack([phase(a, b) for b in range(stride)], 3) for a in range(stride)]
    whole = jnp.stack(phases, 2).reshape(-1, rows * stride, columns * stride, channels)
    return whole[:, top : top + shape[0], left : left + shape[1]].astype(grad.dtype)


def _kernel_gradient(x, grad, *, stride, shape):
    """Sums `grad` times the shifted input over batch and positions, for each tap.

    A loop over the taps needs one buffer for the shifted input. Unrolled, XLA:CPU keeps all 9 or 25
    of them in memory and takes 1.4 to 6 times as long.
    """
    padded = _padded(x, shape, stride)
    height, width = ((n - 1) * stride + 1 for n in grad.shape[1:3])

    def tap(index):
        start = (0, index // shape[1], index % shape[1], 0)
        seen = lax.dynamic_slice(padded, start, (x.shape[0], height, width, x.shape[3]))
        columns = jnp.sum(seen[:, ::stride, ::stride] * grad, 2, dtype=jnp.float32)
        return jnp.sum(columns, (0, 1))

    taps = lax.map(tap, jnp.arange(shape[0] * shape[1]))
    return taps.reshape(*shape[:2], -1).astype(x.dtype)


def _shifted_gradients(x, kernel, grad, *, stride):
    return (
        _input_gradient(grad, kernel, stride=stride, shape=x.shape[1:3]),
        _kernel_gradient(x, grad, stride=stride, shape=kernel.shape),
    )


def _has_one_gpu() -> bool:
    """Returns whether there is one GPU: XLA can't spread a Pallas kernel over several."""
    return jax.default_backend() == "gpu" and jax.device_count() == 1


def _gpu_geometry(x, kernel, stride):
    """Returns the sizes for the GPU's kernels, None where they can't be used."""
    if not _has_one_gpu():
        return None
    (top, _), (left, _) = (
        _same_padding(n, k, stride) for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True)
    )
    outputs = (-(-n // stride) for n in x.shape[1:3])
    geometry = depthwise_gpu.Geometry(*x.shape, *outputs, kernel.shape[0], stride, top, left)
    return geometry if depthwise_gpu.fits(geometry) else None


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv(x, kernel, stride):
    lowerings = dict(cpu=partial(_shifted, stride=stride), default=partial(_grouped, stride=stride))
    if geometry := _gpu_geometry(x, kernel, stride):
        lowerings["cuda"] = partial(depthwise_gpu.convolve, geometry=geometry)
    return lax.platform_dependent(x, kernel, **lowerings)


def _forward(x, kernel, stride):
    return _conv(x, kernel, stride), (x, kernel)


def _backward(stride, saved, grad):
    lowerings = dict(
        cpu=partial(_shifted_gradients, stride=stride),
        default=partial(_grouped_gradients, stride=stride),
    )
    if geometry := _gpu_geometry(*saved, stride):
        lowerings["cuda"] = partial(depthwise_gpu.gradients, geometry=geometry)
    return lax.platform_dependent(*saved, grad, **lowerings)


_conv.defvjp(_forward, _backward)
