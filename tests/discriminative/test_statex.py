"""Statistics exchange."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.discriminative.statex import exchange_statistics

TARGET = np.eye(2, dtype=np.float32)[[0, 1, 1]]


@pytest.mark.parametrize(("axis", "number"), [("time", 2), ("frequency", 1)])
def test_the_statistics_are_the_partners(rng, axis, number):
    x = (rng.normal(size=(3, 4, 6)) * rng.uniform(1, 5, (3, 1, 1)) + 2).astype(np.float32)
    got, label = exchange_statistics(
        jax.random.key(0), jnp.asarray(x), jnp.asarray(TARGET), axis=axis, probability=1.0
    )
    np.testing.assert_allclose(got.mean(number), x[::-1].mean(number), atol=1e-5)
    np.testing.assert_allclose(got.std(number), x[::-1].std(number), atol=1e-5)
    standard = [
        (y - y.mean(number, keepdims=True)) / y.std(number, keepdims=True) for y in (got, x)
    ]
    np.testing.assert_allclose(*standard, atol=1e-4)  # the shape is the item's own
    expected = [[0, 0, 0.5, 0, 0, 0.5], [0, 0, 0, 0.5, 0, 0.5], [0, 0, 0, 0.5, 0.5, 0]]
    np.testing.assert_array_equal(label, expected)


def test_about_half_of_the_items_are_left_as_they_are(rng):
    x = jnp.asarray(rng.normal(size=(400, 2, 3)), jnp.float32)
    target = jnp.tile(jnp.asarray([[1.0, 0.0]]), (400, 1))
    got, label = exchange_statistics(jax.random.key(1), x, target)
    plain = np.asarray(label[:, 0] == 1)
    assert 150 < plain.sum() < 250
    np.testing.assert_array_equal(got[plain], x[plain])
    assert not np.isclose(got[~plain], x[~plain]).all((1, 2)).any()
    constant, _ = exchange_statistics(jax.random.key(1), jnp.ones((4, 2, 3)), target[:4])
    assert np.isfinite(constant).all()
