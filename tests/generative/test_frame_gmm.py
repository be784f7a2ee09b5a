"""The mixture of frames against scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.generative.frame_gmm import frame_gmm
from jax_dns.generative.log_mel import LogMel
from jax_dns.types import Facts

FACTS = Facts(16_000, segment_samples=8_192, n_sections=2)
OPTIONS = dict(sample_rate=16_000, n_fft=1024, hop=512, n_mels=8, fmin=50.0, fmax=7800.0)


def frames(audio):
    mel = np.asarray(decibel(mel_spectrogram(jnp.asarray(audio), **OPTIONS)))
    return np.concatenate([m.T for m in mel])


def test_equals_scikit_learn(rng):
    batches = [rng.normal(size=(4, 8_192)).astype(np.float32) for _ in range(2)]
    model = frame_gmm(FACTS, mel=LogMel(n_mels=8), n_components=2)
    variables = model.fit(batches, 3)
    x = np.concatenate([frames(audio) for audio in batches]).astype(np.float64)
    theirs = GaussianMixture(2, reg_covar=1e-3, random_state=3).fit(x)
    expected = -theirs.score_samples(frames(batches[0])).reshape(4, -1).mean(1)
    np.testing.assert_allclose(model.apply(variables, batches[0]), expected, rtol=1e-4)


def test_fewer_frames_are_drawn_with_the_seed(rng):
    batches = [rng.normal(size=(4, 8_192)).astype(np.float32)]
    model = frame_gmm(FACTS, mel=LogMel(n_mels=8), n_components=1, max_frames=30)
    first, again, other = (model.fit(batches, seed)["means"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_too_few_frames(rng):
    model = frame_gmm(FACTS, mel=LogMel(n_mels=8), n_components=40)
    with pytest.raises(InputError, match="40 Gaussians can't be fitted on 17 frames"):
        model.fit([np.zeros((1, 8_192), np.float32)], 0)
