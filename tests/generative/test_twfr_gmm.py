"""TWFR-GMM: ranking pooling against NumPy, the score against SciPy's Gaussians."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.generative.log_mel import LogMel
from jax_dns.generative.twfr_gmm import ranking_pooling, twfr_gmm
from jax_dns.types import Facts

FACTS = Facts(16_000, segment_samples=4_096, n_sections=2)
OPTIONS = dict(sample_rate=16_000, n_fft=1024, hop=512, n_mels=6, fmin=50.0, fmax=7800.0)


def test_ranking_pooling_equals_a_loop(rng):
    x = rng.normal(size=(2, 3, 7)).astype(np.float32)
    for r in (1.0, 0.8, 1e-6):
        got = ranking_pooling(x, r)
        for clip, row in zip(x, got):
            for band, value in zip(clip, row):
                ranked = sorted(band.tolist(), reverse=True)
                weights = [r**i for i in range(7)]
                expected = sum(w * v for w, v in zip(weights, ranked)) / sum(weights)
                np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ranking_pooling(x, 1.0), x.mean(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ranking_pooling(x, 1e-6), x.max(-1), atol=1e-4)


def test_the_score_is_the_likeliest_gaussians_without_weights(rng):
    batches = [(1 + i) * rng.normal(size=(20, 4_096)).astype(np.float32) for i in range(2)]
    model = twfr_gmm(FACTS, mel=LogMel(n_mels=6), r=0.9)
    assert model.per_section
    variables = model.fit(batches, 0)
    mels = [decibel(mel_spectrogram(jnp.asarray(audio), **OPTIONS)) for audio in batches]
    features = np.concatenate([ranking_pooling(np.asarray(mel), 0.9) for mel in mels])
    theirs = GaussianMixture(2, reg_covar=1e-6, random_state=0).fit(features.astype(np.float64))
    assert theirs.weights_.min() < 0.99
    expected = -np.max(
        [
            multivariate_normal(mean, covariance).logpdf(features[:20])
            for mean, covariance in zip(theirs.means_, theirs.covariances_)
        ],
        axis=0,
    )
    np.testing.assert_allclose(model.apply(variables, batches[0]), expected, rtol=1e-3)


def test_r_out_of_range():
    with pytest.raises(InputError, match=r"r: 1\.5, expected more than 0 and at most 1"):
        twfr_gmm(FACTS, r=1.5)
