"""The log-mel spectrogram that generative components start from."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float

from jax_dns.features import decibel, mel_spectrogram
from jax_dns.types import ArrayLike, Facts


class LogMel(NamedTuple):
    """Settings of a log-mel spectrogram."""

    n_fft: int = 1024  # window of the STFT, samples
    hop_length: int = 512  # distance between frames, samples
    n_mels: int = 128  # mel bands
    fmin: float = 50.0  # lower edge of the lowest band, Hz
    fmax: float = 7800.0  # upper edge of the highest band, Hz


PAPERS_LOG_MEL = LogMel()  # of its autoencoder


def log_mel_transform(facts: Facts, mel: LogMel) -> Callable[[ArrayLike], ArrayLike]:
    """Makes the function from waveforms [b, t] to log-mel spectrograms [b, n_mels, frames], dB.

    Args:
      facts: of the data.
      mel: the settings.
    """

    def log_mel(audio: Float[ArrayLike, "b t"]) -> Float[ArrayLike, "b m f"]:
        power = mel_spectrogram(
            audio,
            sample_rate=facts.sample_rate,
            n_fft=mel.n_fft,
            hop=mel.hop_length,
            n_mels=mel.n_mels,
            fmin=mel.fmin,
            fmax=mel.fmax,
        )
        return decibel(power)

    return log_mel
