"""EfficientNet-B0's layers in plain JAX, to compare our lowering and derivatives with."""

import contextlib
from collections.abc import Iterator
from unittest import mock

import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from jax_dns.discriminative import efficientnet


def depthwise_conv(x, kernel, stride: int = 1):
    """Filters each channel with `lax.conv_general_dilated`."""
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None, :],
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def pointwise_conv(x, kernel):
    """Multiplies each pixel's channels with the kernel."""
    return (x.reshape(-1, x.shape[-1]) @ kernel).reshape(*x.shape[:-1], -1)


def batch_norm(x, scale, bias, silu: bool):
    """Normalises with the batch's statistics; returns the result, the mean and the variance."""
    mean = x.mean((0, 1, 2), keepdims=True, dtype=jnp.float32)
    var = jnp.square(x - mean).mean((0, 1, 2), keepdims=True, dtype=jnp.float32)
    y = (x - mean) * lax.rsqrt(var + efficientnet.EPSILON)
    y = y * scale[None, None, None] + bias[None, None, None]
    y = (nn.silu(y) if silu else y).astype(x.dtype)
    return y, mean.reshape(-1), var.reshape(-1)


@contextlib.contextmanager
def plain_path() -> Iterator[None]:
    """Traces networks with the layers above, and JAX's own derivatives, while the context lasts."""
    with contextlib.ExitStack() as stack:
        for layer in (depthwise_conv, pointwise_conv, batch_norm):
            stack.enter_context(mock.patch.object(efficientnet, layer.__name__, layer))
        yield
