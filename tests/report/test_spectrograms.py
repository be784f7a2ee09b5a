"""Spectrograms: what they show."""

import io

import librosa
import numpy as np
import pytest

from jax_dns import config
from jax_dns.report import spectrograms

pytest.importorskip("matplotlib", reason="extra viz")


def test_spectrogram_is_upright_and_spans_its_colours(rng):
    from matplotlib import colormaps
    from PIL import Image

    decibels = rng.uniform(-10, 30, (8, 5))
    decibels[0, 0], decibels[7, 4] = -50, 90
    png = spectrograms.spectrogram_png(decibels, low=-10.0, high=30.0)
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    expected = colormaps["magma"](np.clip((decibels[::-1] + 10) / 40, 0, 1))[..., :3] * 255
    assert image.shape == (8, 5, 3)
    assert np.abs(image - expected).max() < 255 / spectrograms.LEVELS * 2.5
    flat = spectrograms.spectrogram_png(np.zeros((2, 2)), low=0.0, high=0.0)
    assert Image.open(io.BytesIO(flat)).size == (2, 2)


def test_colour_bar_ends_where_the_spectrograms_do():
    stops = spectrograms.colour_bar().split(", ")
    assert len(stops) == 9 and stops[0] == "#000004" and stops[-1] == "#fcfdbf"


def test_ticks_stand_where_their_frequency_is():
    ticks = dict(spectrograms.mel_ticks(50.0, 7800.0))
    assert list(ticks) == ["500 Hz", "1 kHz", "2 kHz", "4 kHz"]
    low, high, two = librosa.hz_to_mel([50.0, 7800.0, 2000.0])
    assert ticks["2 kHz"] == pytest.approx(100 * (two - low) / (high - low))


def test_a_tone_is_in_its_band():
    c = config.get_config()
    audio = np.sin(2 * np.pi * 1000 * np.arange(32_000) / 16_000)
    mel = spectrograms.log_mel(audio, c)
    assert mel.shape == (c.generative.n_mels, 1 + 32_000 // c.generative.hop_length)
    edges = librosa.mel_frequencies(c.generative.n_mels + 2, fmin=50, fmax=7800)
    assert abs(edges[1 + int(mel[:, 20].argmax())] - 1000) < 60
    again = spectrograms.log_mel((1000 * audio + 5).astype(np.int16), c)
    loud = mel > -20
    assert loud.any()
    np.testing.assert_allclose(again[loud], mel[loud], atol=0.5)
