"""Arrays on devices. Here one device, a mesh of one; `test_query_blocks` has eight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.smoothing.sharded.arrays import find_invalid_row, is_sharded, place, row_mesh, to_host


@pytest.mark.parametrize("shape", [(9,), (9, 3)])
def test_the_first_invalid_row_is_found(rng, shape):
    x = rng.normal(size=shape)
    assert find_invalid_row(jnp.asarray(x)) == (None, pytest.approx(x[0].flat[0]), None)
    x[6], x[4] = np.nan, np.inf
    x[2] = x[7] = 0
    assert find_invalid_row(jnp.asarray(x)) == (4, np.inf, 2)


def test_rows_are_padded_with_zeros(rng):
    x = rng.normal(size=(5, 2)).astype(np.float32)
    mesh = row_mesh(jnp.asarray(x))
    for kind in (np.asarray, jnp.asarray):
        placed = place(kind(x), mesh, 8)
        np.testing.assert_array_equal(to_host(placed), np.pad(x, ((0, 3), (0, 0))))


def test_only_concrete_arrays_on_several_devices_are_sharded():
    assert not is_sharded(np.zeros(3)) and not is_sharded(jnp.zeros(3))
    jax.jit(lambda x: jnp.zeros(int(is_sharded(x))))(jnp.zeros(3))
