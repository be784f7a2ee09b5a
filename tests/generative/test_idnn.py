"""The interpolating network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.generative.idnn import Interpolator, idnn, split_center
from jax_dns.generative.log_mel import LogMel
from jax_dns.types import Batch, Facts

FACTS = Facts(16_000, segment_samples=4_096, n_sections=2)


def test_the_centre_frame_is_taken_out():
    windows = np.arange(2 * 15, dtype=np.float32).reshape(2, 15)  # five frames of three bands
    context, center = split_center(windows, 3)
    np.testing.assert_array_equal(center, windows[:, 6:9])
    np.testing.assert_array_equal(context, np.delete(windows, [6, 7, 8], axis=1))


def test_score_and_loss_are_the_centre_frames_error(rng):
    """From the spectrogram on, window by window."""
    component = idnn(FACTS, mel=LogMel(n_mels=16))
    audio = rng.normal(size=(3, 4_096)).astype(np.float32)
    variables = jax.jit(component.init)(jax.random.key(0))
    assert variables["params"]["Dense_0"]["kernel"].shape == (64, 128)
    assert variables["params"]["Dense_5"]["kernel"].shape == (128, 16)
    options = dict(sample_rate=16_000, n_fft=1024, hop=512, n_mels=16, fmin=50.0, fmax=7800.0)
    mels = np.asarray(decibel(mel_spectrogram(jnp.asarray(audio), **options)))
    model, contexts, centers = Interpolator(16), [], []
    for mel in mels:
        for i in range(mel.shape[1] - 4):
            contexts.append(mel[:, [i, i + 1, i + 3, i + 4]].T.ravel())
            centers.append(mel[:, i + 2])
    contexts, centers = np.stack(contexts), np.stack(centers)
    error = (np.asarray(model.apply(variables, contexts, train=False)) - centers) ** 2
    got = jax.jit(component.apply)(variables, jnp.asarray(audio))
    np.testing.assert_allclose(got, error.reshape(3, -1).mean(1), rtol=1e-4)
    zero = np.zeros(3, np.float32)
    batch = Batch(jnp.asarray(audio), zero, zero[:, None], {})
    loss, _ = jax.jit(component.loss)(variables, batch, jax.random.key(1))
    predicted, _ = model.apply(variables, contexts, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(loss, np.mean((predicted - centers) ** 2), rtol=1e-4)


def test_an_even_window_has_no_centre():
    with pytest.raises(InputError, match="frames: 4, expected an odd number"):
        idnn(FACTS, frames=4)
