"""Building blocks of synthetic sound."""

import numpy as np

from jax_dns.datasets.waveforms import frequencies, play, shaped_noise, strike


def test_a_periodic_wave_is_the_sum_of_its_orders():
    turns = np.linspace(0, 3, 500)
    orders = np.array([0, 0.5 * np.exp(0.3j), 0, 0.2j])
    expected = sum(np.real(a * np.exp(2j * np.pi * k * turns)) for k, a in enumerate(orders))
    np.testing.assert_allclose(play(turns, orders), expected, atol=5e-4)


def test_noise_has_unit_power_and_its_spectrum(rng):
    n, rate = 64_000, 16_000
    f = frequencies(n, rate)
    assert (f[0], f[-1], len(f)) == (0, 8000, n // 2 + 1)
    x = shaped_noise(rng, n, (f > 1000).astype(np.float32))
    np.testing.assert_allclose(np.mean(x**2), 1, rtol=0.05)
    power = np.abs(np.fft.rfft(x)) ** 2
    assert power[f < 990].sum() < 1e-6 * power.sum()


def test_strikes_ring_where_the_phase_passes_their_marks(rng):
    rate, modes = 16_000, np.array([[1000.0, 0.005]])
    x = strike(rng, np.arange(8000), np.array([1000.0, 5000.0, 9000.0]), modes, rate)
    assert not x[:1000].any() and not x[2000:5000].any()
    energies = [(x[a : a + 2000] ** 2).sum() for a in (1000, 5000)]
    assert all(0.5 < energy < 1.7 for energy in energies)  # unit energy, 10 % of spread
    spectrum = np.abs(np.fft.rfft(x[1000:2000]))
    assert abs(spectrum.argmax() * rate / 1000 - 1000) < 50
