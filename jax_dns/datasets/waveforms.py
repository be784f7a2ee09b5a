"""Building blocks of synthetic sound: periodic waves, shaped noise, struck resonances."""

import numpy as np

TURN = 2**15  # samples of one revolution; order 188, the highest, is then right to -40 dB
HUM = np.array([0, 0.3, 1.2, 0, 0.5, 0, 0.3])  # mains hum by multiple of 50 Hz, about unit power


def frequencies(n: int, rate: int) -> np.ndarray:
    """Returns the frequencies [n // 2 + 1] of a real transform of n samples, Hz."""
    return np.arange(n // 2 + 1, dtype=np.float32) * np.float32(rate / n)


def play(turns: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Evaluates the waveform of one revolution, complex amplitudes `orders`, at `turns` [n]."""
    wave = np.fft.irfft(orders * (TURN / 2), TURN).astype(np.float32)
    return wave[(turns * TURN).astype(np.int64) & (TURN - 1)]


def shaped_noise(rng: np.random.Generator, n: int, shape: np.ndarray) -> np.ndarray:
    """Returns Gaussian noise [n] of unit power with amplitude spectrum `shape` [n // 2 + 1]."""
    spectrum = rng.standard_normal(2 * len(shape), dtype=np.float32).view(np.complex64)
    return np.fft.irfft(spectrum * np.float32(n / 2 / np.sqrt(shape @ shape)) * shape, n)


def strike(
    rng: np.random.Generator, phase: np.ndarray, marks: np.ndarray, modes: np.ndarray, rate: int
) -> np.ndarray:
    """Strikes resonances (Hz, s) where `phase` [n] passes `marks`; unit energy, 10 % spread."""
    t = np.arange(int(6 * modes[:, 1].max() * rate) + 1)[:, None] / rate
    ring = np.sum(np.exp(-t / modes[:, 1]) * np.sin(2 * np.pi * t * modes[:, 0]), axis=1)
    struck = np.zeros(len(phase) + len(ring))
    for start in np.searchsorted(phase, marks[(marks > phase[0]) & (marks < phase[-1])]):
        struck[start : start + len(ring)] += rng.normal(1, 0.1) * ring
    return struck[: len(phase)] / np.sqrt(ring @ ring)
