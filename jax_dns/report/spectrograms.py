"""Spectrograms of recordings, for the report."""

import functools
import io

import jax
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from jax_dns import features
from jax_dns.config import DEFAULTS

SECONDS = 10  # of a recording that are shown and played
LEVELS = 64  # colours: 28 kB for ten seconds; 38 kB with 256, 115 kB as RGBA
COLOURS = "magma"
TICKS = (500, 1000, 2000, 4000, 8000, 16_000)  # Hz


def log_mel(audio: np.ndarray, config: ConfigDict) -> Float[np.ndarray, "n_mels frames"]:
    """Computes the mel spectrogram of a standardised recording, dB, with a_G's settings.

    Args:
      audio: [t] samples, at most SECONDS long.
      config: of the run.
    """
    whole = SECONDS * config.data.sample_rate
    wide = audio.astype(np.float32)
    wide = (wide - wide.mean()) / (wide.std() or 1.0)
    c = DEFAULTS["generative"] | config.generative.to_dict()  # for a component without a mel
    # Every recording is padded to the greatest length: one shape, one compilation.
    fields = (c[name] for name in ("n_fft", "hop_length", "n_mels"))
    mel = _mel(config.data.sample_rate, *fields, *displayed_range(config))
    frames = 1 + len(wide) // c["hop_length"]
    return np.asarray(mel(np.pad(wide, (0, whole - len(wide)))))[:, :frames]


def displayed_range(config: ConfigDict) -> tuple[float, float]:
    """Returns the lowest and the highest frequency of the spectrograms, Hz."""
    c = DEFAULTS["generative"] | config.generative.to_dict()
    return c["fmin"], c["fmax"]


@functools.cache
def _mel(sample_rate, n_fft, hop, n_mels, fmin, fmax):
    bands = dict(n_fft=n_fft, hop=hop, n_mels=n_mels, fmin=fmin, fmax=fmax)

    def transform(audio):
        mel = features.mel_spectrogram(audio, sample_rate=sample_rate, **bands)
        return features.decibel(mel)

    return jax.jit(transform)


def mel_ticks(fmin: float, fmax: float) -> list[tuple[str, float]]:
    """Returns round frequencies on the Slaney mel scale: text, and percent from the bottom.

    Args:
      fmin: lowest frequency of the spectrograms, Hz.
      fmax: highest frequency, Hz.
    """
    import librosa

    low, high, *places = librosa.hz_to_mel([fmin, fmax, *TICKS]).tolist()
    return [
        (f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz} Hz", 100 * share)
        for hertz, place in zip(TICKS, places)
        if 0.02 < (share := (place - low) / (high - low)) < 0.98
    ]


def spectrogram_png(
    decibels: Float[np.ndarray, "n_mels frames"], *, low: float, high: float
) -> bytes:
    """Draws a spectrogram as a PNG, a pixel a band and frame, low bands at the bottom.

    Args:
      decibels: [n_mels, frames].
      low: dB of the darkest colour.
      high: dB of the brightest colour.
    """
    from PIL import Image

    span = max(high - low, 1e-6)
    level = np.clip((decibels[::-1] - low) / span * LEVELS, 0, LEVELS - 1).astype(np.uint8)
    image = Image.fromarray(level)
    image.putpalette(_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def colour_bar(stops: int = 9) -> str:
    """Returns the spectrograms' colours as a CSS gradient, low to high."""
    chosen = _palette()[np.linspace(0, LEVELS - 1, stops).round().astype(int)]
    return ", ".join("#" + bytes(colour).hex() for colour in chosen.tolist())


def _palette() -> np.ndarray:
    from matplotlib import colormaps

    return (255 * colormaps[COLOURS](np.linspace(0, 1, LEVELS))[:, :3]).round().astype(np.uint8)
