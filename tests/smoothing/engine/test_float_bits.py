"""Floats as ordered integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.smoothing.engine.float_bits import float_to_ordered, ordered_to_float


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integers_are_in_the_order_of_the_floats(rng, dtype):
    values = np.append(rng.standard_cauchy(100), [0, 1e-40, -1e-40, np.inf, -np.inf])
    values = np.sort(values.astype(dtype))
    with jax.enable_x64(dtype == "float64"):
        ordered = float_to_ordered(jnp.asarray(values))
        assert (np.diff(np.asarray(ordered, object)) > 0).all()
        np.testing.assert_array_equal(ordered_to_float(ordered, jnp.dtype(dtype)), values)


def test_neighbouring_floats_are_neighbouring_integers():
    values = jnp.asarray([-1.5, 0.0, 3.0], jnp.float32)
    after = np.nextafter(np.asarray(values), np.float32(np.inf))
    np.testing.assert_array_equal(
        float_to_ordered(jnp.asarray(after)), float_to_ordered(values) + 1
    )
