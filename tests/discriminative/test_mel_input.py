"""The extractor's spectrogram against librosa, with the paper's settings and the others."""

import librosa
import numpy as np
import pytest

from jax_dns.discriminative.mel_input import PAPERS_MEL, mel_transform
from jax_dns.errors import InputError
from jax_dns.types import Facts

FACTS = Facts(16_000, segment_samples=8_192, n_sections=2)


@pytest.mark.parametrize(
    "change", [{}, {"log": True}, {"power": 2.0, "mel_scale": "slaney", "normalize_stft": False}]
)
def test_equals_librosa(rng, change):
    mel = PAPERS_MEL._replace(n_mels=40, **change)
    audio = rng.normal(size=(2, 8_192)).astype(np.float32)
    window = librosa.filters.get_window("hann", mel.n_fft)
    stft = librosa.stft(audio, n_fft=mel.n_fft, hop_length=mel.hop_length, pad_mode="reflect")
    if mel.normalize_stft:
        stft = stft / np.sqrt((window**2).sum())
    bank = librosa.filters.mel(
        sr=16_000,
        n_fft=mel.n_fft,
        n_mels=40,
        fmin=mel.fmin,
        fmax=mel.fmax,
        htk=mel.mel_scale == "htk",
        norm="slaney" if mel.mel_scale == "slaney" else None,
    )
    expected = bank @ np.abs(stft) ** mel.power
    if mel.log:
        expected = 10 * np.log10(expected)
    got = mel_transform(FACTS, mel)(audio)
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-4 * np.abs(expected).max())


def test_an_unknown_scale():
    with pytest.raises(InputError, match="mel_scale: 'wrong', expected htk or slaney"):
        mel_transform(FACTS, PAPERS_MEL._replace(mel_scale="wrong"))
