"""Mel spectrograms against librosa in float64."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import soundfile

from jax_dns.errors import InputError
from jax_dns.features import LOG_FLOOR, decibel, mel_spectrogram, stack_frames, stft_power

RATE = 16_000
AUTOENCODER = dict(n_fft=1024, hop=512, n_mels=128, power=2.0, scale="slaney", norm="slaney")
EXTRACTOR = dict(n_fft=2048, hop=256, n_mels=224, power=1.0, scale="htk", norm="none")
SETTINGS = pytest.mark.parametrize("setting", [AUTOENCODER, EXTRACTOR], ids=["ae", "extractor"])


def ours(audio, setting, function=mel_spectrogram, **options):
    got = function(
        jnp.asarray(audio, jnp.float32),
        sample_rate=RATE,
        fmin=50.0,
        fmax=7800.0,
        **setting,
        **options,
    )
    return np.asarray(got)


def librosas(audio, setting):
    return librosa.feature.melspectrogram(
        y=np.asarray(audio, np.float32).astype(np.float64),
        sr=RATE,
        n_fft=setting["n_fft"],
        hop_length=setting["hop"],
        n_mels=setting["n_mels"],
        fmin=50,
        fmax=7800,
        power=setting["power"],
        htk=setting["scale"] == "htk",
        norm=None if setting["norm"] == "none" else "slaney",
        pad_mode="reflect",
        dtype=np.float64,
    )


def recordings(shared):
    paths = sorted(shared.glob("dcase_clips/*/*/*.wav"))
    paths += sorted(shared.glob("machines/*/*/*.wav"))[::20]
    assert len(paths) > 40
    for path in paths:
        audio, _ = soundfile.read(path)
        yield path.name, (audio - audio.mean()) / audio.std()


@SETTINGS
@pytest.mark.parametrize("backend", ["cpu", "default"])
def test_noise_within_1e_5_of_the_largest_band(setting, backend, rng, monkeypatch):
    """By the lowering for CPU and by the one for all others, run on CPU too."""
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda x, **ways: ways[backend](x))
    audio = rng.normal(size=4 * RATE)
    got, expected = ours(audio, setting, mel_spectrogram.__wrapped__), librosas(audio, setting)
    assert got.shape == expected.shape == (setting["n_mels"], 1 + 4 * RATE // setting["hop"])
    assert np.abs(got - expected).max() < 1e-5 * expected.max()


@SETTINGS
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
def test_any_number_of_leading_axes(setting, shape, rng):
    audio = rng.normal(size=(*shape, 4000))
    got = ours(audio, setting)
    assert got.shape == (*shape, setting["n_mels"], 1 + 4000 // setting["hop"])
    for clip, mel in zip(audio.reshape(-1, 4000), got.reshape(-1, *got.shape[-2:]), strict=True):
        np.testing.assert_array_equal(mel, ours(clip, setting))


@SETTINGS
@pytest.mark.parametrize("frequency", [60.0, 440.0, 1000.0, 7000.0])
def test_tones_in_linear_power(setting, frequency):
    audio = np.sin(2 * np.pi * frequency * np.arange(2 * RATE) / RATE)
    got, expected = ours(audio, setting), librosas(audio, setting)
    assert np.abs(got - expected).max() < 1e-5 * expected.max()


@SETTINGS
def test_silence_is_zero_and_its_logarithm_the_floor(setting):
    got = ours(np.zeros(RATE), setting)
    assert not got.any()
    np.testing.assert_allclose(decibel(jnp.asarray(got)), 10 * np.log10(LOG_FLOOR), rtol=1e-6)


def test_log_mel_of_real_recordings_within_a_hundredth_of_a_decibel(shared):
    for name, audio in recordings(shared):
        got = np.asarray(decibel(jnp.asarray(ours(audio, AUTOENCODER))))
        expected = 10 * np.log10(np.maximum(librosas(audio, AUTOENCODER), LOG_FLOOR))
        assert np.abs(got - expected).max() < 0.01, name


def test_extractors_mel_of_real_recordings(shared):
    for name, audio in recordings(shared):
        got, expected = ours(audio, EXTRACTOR), librosas(audio, EXTRACTOR)
        assert np.abs(got - expected).max() < 1e-5 * expected.max(), name


def test_division_by_the_windows_root_energy(rng):
    audio = rng.normal(size=RATE)
    window = librosa.filters.get_window("hann", EXTRACTOR["n_fft"])
    ratio = ours(audio, EXTRACTOR) / ours(audio, EXTRACTOR, divide_by_window=True)
    np.testing.assert_allclose(ratio, np.sqrt(np.sum(window**2)), rtol=1e-5)


def test_batches_are_clip_by_clip(rng):
    audio = rng.normal(size=(3, RATE))
    np.testing.assert_allclose(
        ours(audio, AUTOENCODER)[1], ours(audio[1], AUTOENCODER), rtol=1e-5, atol=1e-7
    )


def test_the_papers_frames():
    assert ours(np.ones(4 * RATE), AUTOENCODER).shape == (128, 126)
    assert ours(np.ones(4 * RATE), EXTRACTOR).shape == (224, 251)


def test_windows_are_adjacent_frames(rng):
    mel = rng.normal(size=(2, 3, 10)).astype(np.float32)
    got = np.asarray(stack_frames(jnp.asarray(mel), 5))
    assert got.shape == (2, 6, 15)
    for window in range(6):
        np.testing.assert_array_equal(got[1, window], mel[1, :, window : window + 5].T.ravel())


def test_what_cannot_be_transformed():
    with pytest.raises(InputError, match="hop: 300 does not divide"):
        stft_power(jnp.zeros(RATE), n_fft=1024, hop=300)
    with pytest.raises(InputError, match="audio: 512 samples, expected more than"):
        stft_power(jnp.zeros(512), n_fft=1024, hop=512)
    with pytest.raises(InputError, match="mel scale 'bark'"):
        ours(np.zeros(RATE), AUTOENCODER | {"scale": "bark"})
