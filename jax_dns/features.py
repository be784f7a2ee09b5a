"""The audio feature psi: mel and log-mel spectrograms and frame stacking, on the device.

These are pure functions to be called inside jit. Both of the paper's settings (Sec. IV.A) are
options:

    autoencoder  n_fft 1,024 (64 ms), hop 512 (32 ms), 128 bands, power, Slaney scale and norm, dB
    extractor    n_fft 2,048 (128 ms), hop 256 (16 ms), 224 bands, magnitude, HTK scale, no norm
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import librosa.filters  # not within the first trace: with scipy.signal it takes 0.6 s
import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.types import ArrayLike

LOG_FLOOR = 2.2e-16  # the DCASE baseline's floor under the logarithm, -156.6 dB
GROUP = 32  # mel bands in a product, on CPU


def stft_power(
    audio: Float[ArrayLike, "*b t"], *, n_fft: int, hop: int
) -> Float[ArrayLike, "*b frames bins"]:
    """Computes the short-time power spectrum: periodic Hann window, centred frames, reflection.

    Args:
      audio: [..., t] samples; t > n_fft // 2, which the reflection at both ends needs.
      n_fft: window and transform size, samples.
      hop: distance between frames, samples; a divisor of n_fft.

    Returns:
      [..., 1 + t // hop, 1 + n_fft // 2].

    Raises:
      InputError: hop doesn't divide n_fft, or the audio is too short to be reflected.
    """
    if n_fft % hop:
        raise InputError(f"hop: {hop} does not divide n_fft {n_fft} (expected a divisor)")
    if audio.shape[-1] <= n_fft // 2:
        raise InputError(
            f"audio: {audio.shape[-1]} samples, expected more than n_fft // 2 = {n_fft // 2}"
        )
    padding = [(0, 0)] * (audio.ndim - 1) + [(n_fft // 2, n_fft // 2)]
    padded = jnp.pad(audio, padding, mode="reflect")
    # Frames as concatenated runs of hops: a fifth to a half of the time of an indexed gather on
    # two CPU cores (32 four-second segments, either setting).
    overlap = n_fft // hop
    n_frames = 1 + audio.shape[-1] // hop
    hops = padded[..., : (n_frames + overlap - 1) * hop]
    hops = hops.reshape(*audio.shape[:-1], n_frames + overlap - 1, hop)
    frames = jnp.concatenate([hops[..., i : i + n_frames, :] for i in range(overlap)], axis=-1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    window = window.astype(np.float32).reshape([1] * audio.ndim + [n_fft])
    spectrum = jnp.fft.rfft(frames * window)
    return spectrum.real**2 + spectrum.imag**2


@functools.partial(
    jax.jit,
    static_argnames=(
        "sample_rate",
        "n_fft",
        "hop",
        "n_mels",
        "fmin",
        "fmax",
        "power",
        "scale",
        "norm",
        "divide_by_window",
    ),
)
def mel_spectrogram(
    audio: Float[ArrayLike, "*b t"],
    *,
    sample_rate: int,
    n_fft: int,
    hop: int,
    n_mels: int,
    fmin: float,
    fmax: float,
    power: float = 2.0,
    scale: str = "slaney",
    norm: str = "slaney",
    divide_by_window: bool = False,
) -> Float[ArrayLike, "*b n_mels frames"]:
    """Computes a mel spectrogram.

    Args:
      audio: [..., t] samples.
      sample_rate: Hz.
      n_fft: window size, samples.
      hop: samples.
      n_mels: number of bands.
      fmin: lower edge of the lowest band, Hz.
      fmax: upper edge of the highest band, Hz.
      power: 2 for power, 1 for magnitude, summed in each band.
      scale: "slaney" or "htk", the mel formula.
      norm: "slaney" for bands of equal area, "none" for bands of equal height.
      divide_by_window: divide the STFT by the window's root energy, as torchaudio's
        `normalized=True` does.

    Returns:
      [..., n_mels, 1 + t // hop].
    """
    bank = _mel_bank(sample_rate, n_fft, n_mels, fmin, fmax, scale, norm)

    def mel(audio: ArrayLike, groups: Sequence[slice]) -> jax.Array:
        spectrum = stft_power(audio, n_fft=n_fft, hop=hop)
        if divide_by_window:
            spectrum = spectrum / (0.375 * n_fft)  # the sum of a periodic Hann window's squares
        if power == 1.0:
            spectrum = jnp.sqrt(spectrum)
        elif power != 2.0:
            spectrum = spectrum ** (power / 2)
        return jnp.concatenate([_bands(spectrum, bank[group]) for group in groups], axis=-2)

    def one_by_one(audio: ArrayLike) -> jax.Array:
        # One clip's arrays fit in the processor's cache, and a group of bands covers few bins: a
        # quarter of the time of one product for all, at either setting (16 ten-second clips).
        groups = [slice(i, i + GROUP) for i in range(0, n_mels, GROUP)]
        clips = audio.reshape(-1, audio.shape[-1])
        mels = jax.lax.map(functools.partial(mel, groups=groups), clips)
        return mels.reshape(*audio.shape[:-1], *mels.shape[1:])

    whole = functools.partial(mel, groups=[slice(None)])
    return jax.lax.platform_dependent(jnp.asarray(audio), cpu=one_by_one, default=whole)


def _bands(spectrum, bank: np.ndarray):
    """Sums the bins of each band, [..., bands, frames]; bins that no band covers are left out."""
    seen = np.flatnonzero(bank.any(0))
    bins = slice(seen[0], seen[-1] + 1) if len(seen) else slice(0, 1)
    high = jax.lax.Precision.HIGHEST
    return jnp.einsum("...fk,mk->...mf", spectrum[..., bins], bank[:, bins], precision=high)


def decibel(power: Float[ArrayLike, "*b"]) -> Float[ArrayLike, "*b"]:
    """Computes 10 log10(max(power, 2.2e-16)), dB."""
    return 10.0 * jnp.log10(jnp.maximum(power, LOG_FLOOR))


def stack_frames(
    spectrogram: Float[ArrayLike, "*b n_mels frames"], n: int
) -> Float[ArrayLike, "*b windows n_mels*{n}"]:
    """Concatenates n adjacent frames: the paper's psi for the autoencoder.

    Args:
      spectrogram: [..., n_mels, frames].
      n: frames in a window.

    Returns:
      [..., frames - n + 1, n * n_mels]; window w holds frames w ... w + n - 1, in order.
    """
    frames = jnp.swapaxes(spectrogram, -1, -2)
    windows = frames.shape[-2] - n + 1
    return jnp.concatenate([frames[..., i : i + windows, :] for i in range(n)], axis=-1)


@functools.lru_cache(maxsize=16)
def _mel_bank(sample_rate, n_fft, n_mels, fmin, fmax, scale, norm) -> np.ndarray:
    if scale not in ("slaney", "htk") or norm not in ("slaney", "none"):
        raise InputError(f"mel scale {scale!r}, norm {norm!r}: expected slaney or htk, or none")
    bank = librosa.filters.mel(
        sr=sample_rate,
        n_fft=n_fft,
        n_mels=n_mels,
        fmin=fmin,
        fmax=fmax,
        htk=scale == "htk",
        norm="slaney" if norm == "slaney" else None,
        dtype=np.float64,
    )
    return bank.astype(np.float32)
