"""a_G: Eq. 2 over a segment's windows."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_dns.generative.autoencoder import Autoencoder
from jax_dns.generative.generative import autoencoder_score


def test_is_the_mean_reconstruction_error_of_the_segments_windows(rng):
    model = Autoencoder()
    windows = rng.normal(size=(3, 4, 20)).astype(np.float32)
    variables = model.init(jax.random.key(0), windows[0], train=False)
    score = autoencoder_score(model, lambda audio: audio.reshape(len(audio), 4, 20))
    got = score(variables, jnp.asarray(windows.reshape(3, 80)))
    for segment, value in zip(windows, got):
        out = np.asarray(model.apply(variables, segment, train=False))
        np.testing.assert_allclose(value, np.mean((segment - out) ** 2), rtol=1e-5)
