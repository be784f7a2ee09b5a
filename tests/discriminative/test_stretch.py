"""Changes of tempo and pitch against librosa's, which make the sound."""

import librosa
import numpy as np

from jax_dns.discriminative.mel_input import PAPERS_MEL, mel_transform
from jax_dns.discriminative.stretch import band_positions, shift_pitch, stretch_time
from jax_dns.types import Facts

RATE = 16_000
MEL = PAPERS_MEL._replace(n_mels=64)
FACTS = Facts(RATE, segment_samples=2 * RATE, n_sections=1)


def test_the_tempo_is_the_phase_vocoders(rng):
    """Its magnitudes are ours, and sums over bands of them too."""
    stft = librosa.stft(rng.normal(size=RATE).astype(np.float32), n_fft=512, hop_length=128)
    bank = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=20, dtype=np.float64)
    rates = np.array([0.8, 1.0, 1.3], np.float32)
    n = int((stft.shape[1] - 1) / 1.3)
    x = np.stack([bank @ np.abs(stft)] * 3).astype(np.float32)
    got = stretch_time(x, rates, n)
    for rate, mine in zip(rates.tolist(), got):
        vocoded = librosa.phase_vocoder(stft, rate=rate, hop_length=128)[:, :n]
        np.testing.assert_allclose(mine, bank @ np.abs(vocoded), rtol=1e-3, atol=1e-4)


def harmonics(f0):
    t = np.arange(2 * RATE) / RATE
    return sum(np.sin(2 * np.pi * k * f0 * t) / k for k in range(1, 6)).astype(np.float32)


def test_the_pitch_is_that_of_a_sound_shifted_by_librosa():
    spectrogram, x = mel_transform(FACTS, MEL), harmonics(440)
    shifts = (0.0, -4.0, 3.0)
    bands = band_positions(shifts, MEL.n_mels, MEL.fmin, MEL.fmax, True)
    got = np.asarray(shift_pitch(np.stack([spectrogram(x[None])[0]] * 3), bands))
    np.testing.assert_array_equal(got[0], spectrogram(x[None])[0])
    for semitones, mine in list(zip(shifts, got))[1:]:
        shifted = librosa.effects.pitch_shift(x, sr=RATE, n_steps=semitones)
        theirs = np.asarray(spectrogram(shifted[None])[0])
        unchanged = got[0]
        inner = slice(20, -20)  # frames away from the ends
        errors = [
            np.linalg.norm(s[:, inner] - theirs[:, inner]) / np.linalg.norm(theirs[:, inner])
            for s in (mine, unchanged)
        ]
        assert errors[0] < 0.4 < 0.9 < errors[1]
        peaks = [s[:, inner].mean(1).argmax() for s in (mine, theirs)]
        assert abs(peaks[0] - peaks[1]) <= 1


def test_bands_out_of_range_are_silent():
    bands = band_positions((12.0, -12.0), 10, 50.0, 7800.0, False)
    up, down = shift_pitch(np.ones((2, 10, 3), np.float32), bands)
    assert (up[0] == 0).all() and (up[-1] == 1).all()
    assert (down[-1] == 0).all() and (down[0] == 1).all()
