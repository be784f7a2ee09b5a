"""Eqs. 1 and 3-6."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import log_loss

from jax_dns.training.losses import reconstruction_error, serial_oe_loss


def batch(rng):
    machine = np.asarray([1, 1, 1, 0, 0, 0], np.float32)
    section = np.zeros((6, 4), np.float32)
    section[[0, 1, 2], [0, 3, 1]] = 1
    return (
        rng.normal(size=6).astype(np.float32),
        rng.normal(size=(6, 4)).astype(np.float32),
        (machine, section),
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_reconstruction_error_is_the_mean_square(rng):
    a, b = rng.normal(size=(2, 3, 8)).astype(np.float32)
    expected = [sum((x - y) ** 2 for x, y in zip(r, s)) / 8 for r, s in zip(a, b)]
    np.testing.assert_allclose(reconstruction_error(jnp.asarray(a), jnp.asarray(b)), expected, 1e-5)


def test_equals_scikit_learns_log_loss(rng):
    machine_logit, section_logit, (machine, section) = batch(rng)
    loss, loss_machine, loss_id = serial_oe_loss(machine_logit, section_logit, machine, section)
    assert float(loss_machine) == pytest.approx(log_loss(machine, sigmoid(machine_logit)), rel=1e-5)
    expected = log_loss(section.ravel(), sigmoid(section_logit).ravel())
    assert float(loss_id) == pytest.approx(expected, rel=1e-5)
    assert float(loss) == pytest.approx(float(loss_machine) + 5 * expected, rel=1e-5)


def test_better_logits_have_less_loss():
    """The sign that Eq. 5 lacks in print."""
    machine = jnp.asarray([1.0, 0.0])
    section = jnp.asarray([[1.0, 0.0], [0.0, 0.0]])
    right, wrong = jnp.asarray([3.0, -3.0]), jnp.asarray([-3.0, 3.0])
    logits = jnp.asarray([[3.0, -3.0], [-3.0, -3.0]])
    good = serial_oe_loss(right, logits, machine, section)[0]
    assert 0 < float(good) < float(serial_oe_loss(wrong, -logits, machine, section)[0])


def test_outliers_count_in_eq_6_or_are_masked(rng):
    machine_logit, section_logit, (machine, section) = batch(rng)
    masked = serial_oe_loss(machine_logit, section_logit, machine, section, mask_outliers=True)[2]
    expected = log_loss(section[:3].ravel(), sigmoid(section_logit[:3]).ravel())
    assert float(masked) == pytest.approx(expected, rel=1e-5)
    counted = serial_oe_loss(machine_logit, section_logit, machine, section)[2]
    assert float(counted) != pytest.approx(expected, rel=1e-2)
