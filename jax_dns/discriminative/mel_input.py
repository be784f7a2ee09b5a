"""The mel spectrogram that extractors on EfficientNet-B0 see."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.types import ArrayLike, Facts


class MelInput(NamedTuple):
    """Settings of an extractor's spectrogram."""

    n_fft: int = 2048  # window of the STFT, samples
    hop_length: int = 256  # distance between frames, samples
    n_mels: int = 224  # mel bands
    fmin: float = 50.0  # lower edge of the lowest band, Hz
    fmax: float = 7800.0  # upper edge of the highest band, Hz
    power: float = 1.0  # 1 for magnitudes, 2 for power
    log: bool = False  # take dB of the spectrogram
    mel_scale: str = "htk"  # bands of equal height; "slaney": bands of equal area
    normalize_stft: bool = True  # divide the STFT by the window's root energy


PAPERS_MEL = MelInput()  # of its extractor


def mel_transform(facts: Facts, mel: MelInput) -> Callable[[ArrayLike], ArrayLike]:
    """Makes the function from waveforms [b, t] to spectrograms [b, n_mels, frames].

    Args:
      facts: of the data.
      mel: the settings.

    Raises:
      InputError: an unknown mel scale.
    """
    if mel.mel_scale not in ("htk", "slaney"):
        raise InputError(f"mel_scale: {mel.mel_scale!r}, expected htk or slaney")

    def spectrogram(audio: Float[ArrayLike, "b t"]) -> Float[ArrayLike, "b m f"]:
        bands = mel_spectrogram(
            audio,
            sample_rate=facts.sample_rate,
            n_fft=mel.n_fft,
            hop=mel.hop_length,
            n_mels=mel.n_mels,
            fmin=mel.fmin,
            fmax=mel.fmax,
            power=mel.power,
            scale=mel.mel_scale,
            norm="slaney" if mel.mel_scale == "slaney" else "none",
            divide_by_window=mel.normalize_stft,
        )
        return decibel(bands) if mel.log else bands

    return spectrogram
