"""Eqs. 3 to 6."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import log_loss

from jax_dns.discriminative.serial_oe import ExtractorOutput, item_losses, serial_oe_loss

FEATURE = np.zeros((6, 1), np.float32)


def batch(rng):
    is_target = np.asarray([1, 1, 1, 0, 0, 0], np.float32)
    section = np.zeros((6, 4), np.float32)
    section[[0, 1, 2], [0, 3, 1]] = 1
    machine_logit = rng.normal(size=6).astype(np.float32)
    section_logit = rng.normal(size=(6, 4)).astype(np.float32)
    return ExtractorOutput(FEATURE, machine_logit, section_logit), is_target, section


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_equals_scikit_learns_log_loss(rng):
    output, is_target, section = batch(rng)
    machine, identity = item_losses(output, is_target, section)
    expected = log_loss(is_target, sigmoid(output.machine_logit))
    assert float(machine.mean()) == pytest.approx(expected, rel=1e-5)
    expected_id = log_loss(section.ravel(), sigmoid(output.section_logit).ravel())
    assert float(identity.mean()) == pytest.approx(expected_id, rel=1e-5)
    loss = serial_oe_loss(output, is_target, section)
    assert float(loss) == pytest.approx(expected + 5 * expected_id, rel=1e-5)


def test_better_logits_have_less_loss():
    """The sign that Eq. 5 lacks in print."""
    is_target = jnp.asarray([1.0, 0.0])
    section = jnp.asarray([[1.0, 0.0], [0.0, 0.0]])
    logits = jnp.asarray([[3.0, -3.0], [-3.0, -3.0]])
    right = ExtractorOutput(FEATURE[:2], jnp.asarray([3.0, -3.0]), logits)
    wrong = ExtractorOutput(FEATURE[:2], jnp.asarray([-3.0, 3.0]), -logits)
    good = serial_oe_loss(right, is_target, section)
    assert 0 < float(good) < float(serial_oe_loss(wrong, is_target, section))


def test_outliers_count_in_eq_6_or_are_masked(rng):
    output, is_target, section = batch(rng)
    machine = float(item_losses(output, is_target, section)[0].mean())
    masked = float(serial_oe_loss(output, is_target, section, mask_outliers=True)) - machine
    expected = log_loss(section[:3].ravel(), sigmoid(output.section_logit[:3]).ravel())
    assert masked == pytest.approx(5 * expected, rel=1e-4)
    counted = float(serial_oe_loss(output, is_target, section)) - machine
    assert counted != pytest.approx(5 * expected, rel=1e-2)
