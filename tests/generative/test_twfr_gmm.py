"""TWFR-GMM: ranking pooling against NumPy, the score against SciPy's Gaussians."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.generative.log_mel import LogMel
from jax_dns.generative.twfr_gmm import pick_rows, ranking_pooling, twfr_gmm
from jax_dns.inlier.knn import smote
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


class Batches(list):
    """Batches of training segments, as `training.fitted` makes them."""

    is_target_domain = np.arange(40) >= 36  # the last four


def test_the_target_domain_is_oversampled(rng):
    """36 source segments ask for 9: five new waveforms beside the four."""
    batches = Batches((1 + i) * rng.normal(size=(20, 4_096)).astype(np.float32) for i in range(2))
    fields = dict(mel=LogMel(n_mels=6), n_components=1)
    model = twfr_gmm(FACTS, smote_ratio=0.25, **fields)
    target = batches[1][16:]
    new = smote(target, 5, n_neighbors=3, seed=1)
    mels = [decibel(mel_spectrogram(jnp.asarray(a), **OPTIONS)) for a in (*batches, new)]
    features = np.concatenate([np.asarray(mel).mean(-1) for mel in mels])
    np.testing.assert_allclose(model.fit(batches, 1)["means"], [features.mean(0)], rtol=1e-4)
    plain = twfr_gmm(FACTS, **fields).fit(batches, 1)["means"]
    np.testing.assert_allclose(plain, [features[:40].mean(0)], rtol=1e-4)
    with pytest.raises(InputError, match=r"smote_ratio: -1\.0 with"):
        twfr_gmm(FACTS, smote_ratio=-1.0)


def test_rows_are_picked_across_batches(rng):
    rows = rng.normal(size=(7, 2)).astype(np.float32)
    chosen = np.array([0, 1, 1, 0, 0, 1, 1], bool)
    np.testing.assert_array_equal(pick_rows([rows[:3], rows[3:]], chosen), rows[chosen])
