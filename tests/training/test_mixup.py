"""Mixup."""

import jax
import numpy as np

from jax_dns.training.mixup import mixup


def mixed(n=400, **options):
    """Items that tell who they are: audio and label of item i are e_i."""
    eye = np.eye(n, dtype=np.float32)
    audio, label = mixup(jax.random.key(0), eye, eye, **options)
    return np.asarray(audio), np.asarray(label)


def test_one_partner_and_one_weight_for_waveform_and_labels():
    audio, label = mixed()
    np.testing.assert_array_equal(audio, label)
    np.testing.assert_allclose(audio.sum(1), 1, rtol=1e-5)
    assert ((audio > 0).sum(1) <= 2).all()
    own = np.diagonal(audio)
    partners = (audio - np.diag(own)).argmax(1)
    assert len(set(partners[own < 0.999])) == (own < 0.999).sum()  # a permutation


def test_weights_are_beta_of_alpha():
    own = np.diagonal(mixed(1000)[0])
    variance = 1 / (4 * (2 * 0.2 + 1))  # of Beta(0.2, 0.2)
    assert abs(own.mean() - 0.5) < 0.05 and abs(own.var() - variance) < 0.02


def test_alpha_0_mixes_nothing():
    np.testing.assert_array_equal(mixed(5, alpha=0.0)[0], np.eye(5))


def test_labels_of_any_rank():
    one, two = np.ones((4, 7), np.float32), np.arange(4, dtype=np.float32)
    audio, label = mixup(jax.random.key(1), one, two)
    assert audio.shape == (4, 7) and label.shape == (4,)
