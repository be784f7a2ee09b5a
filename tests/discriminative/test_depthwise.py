"""The shifted products and their derivative against XLA's grouped convolution."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jax_dns.discriminative.depthwise import depthwise_conv

CHANNELS = 6


def grouped(x, kernel, stride):
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None, :],
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def value_and_gradients(conv, stride, x, kernel, cotangents):
    """y and the derivatives by x and kernel, given draws of at least the size of y."""
    y, pull = jax.vjp(partial(conv, stride=stride), x, kernel)
    cotangent = cotangents[:, : y.shape[1], : y.shape[2]]
    return y, *pull(cotangent.astype(y.dtype))


def draw(rng, *shape, dtype=jnp.float32):
    return jnp.asarray(rng.normal(size=shape), dtype)


CASES = [
    pytest.param(size, kernel, stride, dtype, id=f"{size}-{kernel}-{stride}-{dtype.__name__}")
    for kernel in (3, 5)
    for stride in (1, 2)
    for size, dtype in [
        ((7, 8), jnp.float32),
        ((8, 7), jnp.float32),
        ((1, 2), jnp.float32),
        ((8, 7), jnp.bfloat16),
    ]
]


@pytest.mark.parametrize(("size", "width", "stride", "dtype"), CASES)
def test_equals_the_grouped_convolution(rng, size, width, stride, dtype):
    x = draw(rng, 3, *size, CHANNELS, dtype=dtype)
    kernel = draw(rng, width, width, CHANNELS, dtype=dtype)
    cotangents = draw(rng, *x.shape, dtype=dtype)
    ours = jax.jit(partial(value_and_gradients, depthwise_conv, stride))(x, kernel, cotangents)
    # Both start from the same rounded numbers; the reference computes in float32.
    theirs = jax.jit(partial(value_and_gradients, grouped, stride))(
        *(a.astype(jnp.float32) for a in (x, kernel, cotangents))
    )
    for name, ours_, theirs_ in zip(("y", "by x", "by kernel"), ours, theirs, strict=True):
        assert ours_.dtype == dtype
        expected = np.asarray(theirs_)
        tolerance = (1e-5 if dtype == jnp.float32 else 5e-3) * np.abs(expected).max()
        np.testing.assert_allclose(
            np.asarray(ours_, np.float32), expected, atol=tolerance, rtol=0, err_msg=name
        )


@pytest.mark.parametrize(("platform", "native"), [("cpu", False), ("cuda", True), ("tpu", True)])
def test_each_backend_gets_its_own_lowering(platform, native):
    def gradients(x, kernel):
        return jax.grad(lambda *a: depthwise_conv(*a, 2).sum(), (0, 1))(x, kernel)

    x, kernel = jnp.ones((1, 8, 8, CHANNELS)), jnp.ones((3, 3, CHANNELS))
    for function in (partial(depthwise_conv, stride=2), gradients):
        traced = jax.jit(function).trace(x, kernel)
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert ("stablehlo.convolution" in text) is native
