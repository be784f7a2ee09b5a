"""The log-mel spectrogram that generative components start from."""

from collections.abc import Callable

from jaxtyping import Float

from jax_dns.features import decibel, mel_spectrogram
from jax_dns.types import ArrayLike, Facts


def log_mel_transform(
    facts: Facts, *, n_fft: int, hop_length: int, n_mels: int, fmin: float, fmax: float
) -> Callable[[ArrayLike], ArrayLike]:
    """Makes the function from waveforms [b, t] to log-mel spectrograms [b, n_mels, frames], dB.

    Args:
      facts: of the data.
      n_fft: window of the STFT, samples.
      hop_length: distance between frames, samples.
      n_mels: mel bands.
      fmin: lower edge of the lowest band, Hz.
      fmax: upper edge of the highest band, Hz.
    """

    def log_mel(audio: Float[ArrayLike, "b t"]) -> Float[ArrayLike, "b m f"]:
        return decibel(
            mel_spectrogram(
                audio,
                sample_rate=facts.sample_rate,
                n_fft=n_fft,
                hop=hop_length,
                n_mels=n_mels,
                fmin=fmin,
                fmax=fmax,
            )
        )

    return log_mel
