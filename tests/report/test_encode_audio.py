"""Sound for a browser: decoded again, it is the sound that went in."""

import io

import numpy as np
import pytest
import soundfile

from jax_dns.report.encode_audio import PEAK, encode


def decoded(data):
    return soundfile.read(io.BytesIO(data))


def tone(rate, dtype):
    sound = 0.01 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate) + 0.002
    return (sound * 32768).round().astype(np.int16) if dtype == "int16" else sound.astype(dtype)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_flac_is_the_sound_without_its_mean_at_the_peak(dtype):
    sound = tone(16_000, dtype)
    data, kind = encode(sound, 16_000, lossless=True)
    again, rate = decoded(data)
    expected = sound - sound.astype(float).mean()
    expected *= PEAK / np.abs(expected).max()
    assert kind == "audio/flac" and rate == 16_000
    np.testing.assert_allclose(again, expected, atol=1 / 32768)


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_mp3_is_small_and_close(rate):
    data, kind = encode(tone(rate, "float32"), rate, lossless=False)
    again, found = decoded(data)
    assert kind == "audio/mpeg" and found == rate
    assert 8_000 < len(data) < 12_500  # 80 kbit/s and the frames at the ends
    spectrum = np.abs(np.fft.rfft(again[: rate // 2]))
    assert abs(2 * spectrum.argmax() - 440) <= 2 and abs(len(again) / rate - 1) < 0.2


def test_rates_that_mp3_does_not_know_and_silence():
    data, kind = encode(np.zeros(500, np.int16), 10_000, lossless=False)
    again, rate = decoded(data)
    assert kind == "audio/flac" and rate == 10_000 and not again.any() and len(again) == 500
