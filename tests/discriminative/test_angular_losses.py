"""Angular losses against cases computed by hand, in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_dns.discriminative.angular_losses import (
    adacos_loss,
    arcface_loss,
    next_scale,
    unit_length,
)

COSINE = np.cos(np.asarray([[0.3, 1.2], [1.0, 0.5], [0.9, 2.0]], np.float32))
TARGET = np.asarray([[1, 0], [0, 1], [0.25, 0.75]], np.float32)


def test_arcface_equals_the_formula():
    s, m, expected = 8.0, 0.4, []
    for cosines, labels in zip(COSINE.astype(float), TARGET):
        logits = [s * np.cos(np.arccos(c) + m * y) for c, y in zip(cosines, labels)]
        log_z = np.log(sum(np.exp(logits)))
        expected.append(-sum(y * (logit - log_z) for y, logit in zip(labels, logits)))
    got = arcface_loss(jnp.asarray(COSINE), jnp.asarray(TARGET), scale=s, margin=m)
    np.testing.assert_allclose(got, np.mean(expected), rtol=1e-5)


def test_sub_cluster_adacos_equals_the_formula(rng):
    cosine = rng.uniform(-0.9, 0.9, (3, 2, 4)).astype(np.float32)
    s, expected = 5.0, []
    for centers, labels in zip(cosine.astype(float), TARGET):
        probability = np.exp(s * centers) / np.exp(s * centers).sum()
        expected.append(-sum(y * np.log(p.sum()) for y, p in zip(labels, probability)))
    got = adacos_loss(jnp.asarray(cosine), jnp.asarray(TARGET), jnp.float32(s))
    np.testing.assert_allclose(got, np.mean(expected), rtol=1e-5)


def test_the_scale_equals_the_formula():
    """With the median angle below pi / 4, and above."""
    s = 3.0
    mean = np.mean([np.exp(s * row.astype(float)).sum() for row in COSINE])
    own = [0.3, 0.5, 0.25 * 0.9 + 0.75 * 2.0]
    for target, angles in ((TARGET, own), (1 - TARGET, [1.2, 1.0, 0.75 * 0.9 + 0.25 * 2.0])):
        expected = np.log(mean) / np.cos(min(np.pi / 4, np.median(angles)))
        got = next_scale(jnp.float32(s), jnp.asarray(COSINE)[..., None], jnp.asarray(target))
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_unit_length():
    np.testing.assert_allclose(unit_length(jnp.asarray([[3.0, 4.0]])), [[0.6, 0.8]], rtol=1e-6)
    assert np.isfinite(jax.grad(lambda x: unit_length(x).sum())(jnp.zeros((1, 2)))).all()
