"""The GPU's kernels, in Pallas' interpreter, against XLA's grouped convolution."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.discriminative import depthwise, depthwise_gpu
from jax_dns.discriminative.depthwise import depthwise_conv

SIZES = ((7, 8), (1, 2), (12, 9))


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setattr(depthwise, "_has_one_gpu", lambda: True)


def grouped(x, kernel, gradient, stride):
    y = depthwise._grouped(x, kernel, stride=stride)
    return y, *depthwise._grouped_gradients(x, kernel, gradient, stride=stride)


@pytest.mark.parametrize(
    ("width", "stride", "channels", "dtype"),
    [
        *itertools.product((3, 5), (1, 2), (16,), (jnp.float32,)),
        (5, 2, 48, jnp.bfloat16),
        (3, 1, 64, jnp.float32),
    ],
)
def test_equals_the_grouped_convolution(rng, one_gpu, width, stride, channels, dtype):
    for height, columns in SIZES:
        shape = 3, -(-height // stride), -(-columns // stride), channels
        x, kernel, gradient = (
            jnp.asarray(rng.normal(size=size), dtype)
            for size in ((3, height, columns, channels), (width, width, channels), shape)
        )
        sizes = depthwise._gpu_geometry(x, kernel, stride)
        options = dict(geometry=sizes, interpret=True)
        y = depthwise_gpu.convolve(x, kernel, **options)
        ours = y, *depthwise_gpu.gradients(x, kernel, gradient, **options)
        expected = grouped(*(a.astype(jnp.float32) for a in (x, kernel, gradient)), stride)
        for a, b in zip(ours, expected, strict=True):
            assert a.dtype == dtype
            tolerance = (1e-5 if dtype == jnp.float32 else 6e-3) * np.abs(b).max()
            np.testing.assert_allclose(np.asarray(a, np.float32), b, rtol=0, atol=tolerance)


def test_many_parts_of_the_kernels_gradient_add_up(rng, monkeypatch, one_gpu):
    monkeypatch.setattr(depthwise_gpu, "PROGRAMS", 6)
    x, gradient = (jnp.asarray(rng.normal(size=(5, 9, 8, 32)), jnp.float32) for _ in range(2))
    kernel = jnp.ones((3, 3, 32))
    sizes = depthwise._gpu_geometry(x, kernel, 1)
    # Not the compiled function, which another number of programs may have left.
    ours = depthwise_gpu.kernel_gradient.__wrapped__(x, gradient, geometry=sizes, interpret=True)
    expected = grouped(x, kernel, gradient, 1)[2]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def kernels_of(channels):
    """Counts the kernels in a layer and its derivatives."""

    def loss(x, kernel):
        return depthwise_conv(x, kernel, 2).sum()

    arguments = jnp.ones((2, 8, 8, channels)), jnp.ones((3, 3, channels))
    return str(jax.make_jaxpr(jax.value_and_grad(loss, (0, 1)))(*arguments)).count("pallas_call[")


def test_layers_use_the_kernels_on_one_gpu_alone(monkeypatch):
    assert kernels_of(32) == 0
    monkeypatch.setattr(depthwise, "_has_one_gpu", lambda: True)
    assert kernels_of(32) == 3
    assert kernels_of(6) == 0  # rows that aren't aligned


def test_too_many_values_for_their_indices_are_left_to_xla():
    sizes = depthwise_gpu.Geometry(2**15, 256, 256, 16, 256, 256, 3, 1, 1, 1)
    assert not depthwise_gpu.fits(sizes)
    assert depthwise_gpu.fits(sizes._replace(batch=2**10))
