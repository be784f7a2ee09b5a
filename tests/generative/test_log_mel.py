"""The log-mel spectrogram against librosa."""

import librosa
import numpy as np

from jax_dns.features import LOG_FLOOR
from jax_dns.generative.log_mel import PAPERS_LOG_MEL, LogMel, log_mel_transform
from jax_dns.types import Facts

FACTS = Facts(16_000, segment_samples=8_192, n_sections=2)


def test_equals_librosa(rng):
    audio = rng.normal(size=(2, 8_192)).astype(np.float32)
    for mel in (PAPERS_LOG_MEL, LogMel(512, 128, 24, 100.0, 4000.0)):
        power = librosa.feature.melspectrogram(
            y=audio,
            sr=16_000,
            n_fft=mel.n_fft,
            hop_length=mel.hop_length,
            n_mels=mel.n_mels,
            fmin=mel.fmin,
            fmax=mel.fmax,
            pad_mode="reflect",
        )
        expected = 10 * np.log10(np.maximum(power, LOG_FLOOR))
        np.testing.assert_allclose(log_mel_transform(FACTS, mel)(audio), expected, atol=2e-3)
