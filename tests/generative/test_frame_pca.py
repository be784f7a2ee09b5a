"""The residual of principal components against scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.generative.frame_pca import frame_pca
from jax_dns.generative.log_mel import LogMel
from jax_dns.types import Facts

FACTS = Facts(16_000, segment_samples=8_192, n_sections=2)
OPTIONS = dict(sample_rate=16_000, n_fft=1024, hop=512, n_mels=8, fmin=50.0, fmax=7800.0)


def test_equals_scikit_learn(rng):
    batches = [rng.normal(size=(n, 8_192)).astype(np.float32) for n in (4, 3)]
    model = frame_pca(FACTS, mel=LogMel(n_mels=8), n_components=3)
    variables = model.fit(batches, 0)

    def frames(audio):
        mel = np.asarray(decibel(mel_spectrogram(jnp.asarray(audio), **OPTIONS)))
        return np.concatenate([m.T for m in mel]).astype(np.float64)

    pca = PCA(3).fit(np.concatenate([frames(audio) for audio in batches]))
    x = frames(batches[1])
    residual = ((x - pca.inverse_transform(pca.transform(x))) ** 2).mean(1)
    expected = residual.reshape(3, -1).mean(1)
    np.testing.assert_allclose(model.apply(variables, batches[1]), expected, rtol=1e-4)


def test_as_many_components_as_bands_leave_no_residual():
    with pytest.raises(InputError, match="n_components: 8, expected 1 to 7"):
        frame_pca(FACTS, mel=LogMel(n_mels=8), n_components=8)
