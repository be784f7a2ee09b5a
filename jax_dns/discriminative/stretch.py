"""Changes of tempo and of pitch, made on magnitude spectrograms.

The magnitudes of a phase vocoder's output are interpolated between frames: what a spectrogram of
the stretched sound would show, without making the sound. A shift of pitch scales the frequencies
and keeps the tempo; between bands the magnitudes are interpolated too.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jax_dns.types import ArrayLike


def stretch_time(
    spectrogram: Float[ArrayLike, "b m f"], rate: Float[ArrayLike, " b"], n_frames: int
) -> Float[Array, "b m n"]:
    """Changes the tempo.

    Args:
      spectrogram: [b, n_mels, frames], magnitudes.
      rate: [b]: above 1 is faster.
      n_frames: frames to return, at most frames / rate.

    Returns:
      [b, n_mels, n_frames]: frame i is the input's at i * rate, linearly between its neighbours.
    """
    positions = jnp.arange(n_frames)[None, :] * jnp.asarray(rate)[:, None]
    return interpolate(jnp.asarray(spectrogram), positions)


def shift_pitch(
    spectrogram: Float[ArrayLike, "b m f"], positions: Float[ArrayLike, "b m"]
) -> Float[Array, "b m f"]:
    """Changes the pitch.

    Args:
      spectrogram: [b, n_mels, frames], magnitudes.
      positions: [b, n_mels] the band, with fractions, that each band's magnitude is taken from; see
        `band_positions`.

    Returns:
      [b, n_mels, frames].
    """
    swapped = jnp.swapaxes(jnp.asarray(spectrogram), 1, 2)
    return jnp.swapaxes(interpolate(swapped, jnp.asarray(positions)), 1, 2)


@functools.lru_cache(maxsize=16)
def band_positions(
    semitones: Sequence[float], n_mels: int, fmin: float, fmax: float, htk: bool
) -> Float[np.ndarray, "k m"]:
    """Computes the band that holds f / 2^(s/12), for each shift s and each band's centre f.

    Args:
      semitones: k shifts, as a tuple; above 0 is higher.
      n_mels: mel bands.
      fmin: lower edge of the lowest band, Hz.
      fmax: upper edge of the highest band, Hz.
      htk: the mel formula; False for Slaney's.

    Returns:
      [k, n_mels], with fractions; -1 where that frequency is outside of the bands' range.
    """
    import librosa

    centers = librosa.mel_frequencies(n_mels + 2, fmin=fmin, fmax=fmax, htk=htk)[1:-1]
    sources = centers / 2.0 ** (np.asarray(semitones)[:, None] / 12)
    bands = np.interp(sources, centers, np.arange(n_mels), left=-1, right=-1)
    return bands.astype(np.float32)


def interpolate(
    x: Float[Array, "b m f"], positions: Float[ArrayLike, "b n"]
) -> Float[Array, "b m n"]:
    """Interpolates along the last axis, linearly; zero at negative positions."""
    last = x.shape[-1] - 1
    lower = jnp.clip(jnp.floor(positions), 0, last).astype(jnp.int32)
    share = (positions - lower)[:, None, :]
    low, high = (_take(x, at) for at in (lower, jnp.minimum(lower + 1, last)))
    return jnp.where(positions[:, None, :] < 0, 0.0, (1 - share) * low + share * high)


@jax.vmap
def _take(x: Float[Array, "m f"], at: Int[Array, " n"]) -> Float[Array, "m n"]:
    return x[:, at]
