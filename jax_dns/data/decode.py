"""One recording from its file, checked."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Shaped

from jax_dns.errors import InputError

SIXTEEN_BITS = ("PCM_16", "PCM_S8", "PCM_U8")


class Format(NamedTuple):
    """What recordings must be, or are made to be."""

    sample_rate: int = 16_000  # Hz
    channel: int = -1  # the channel to take; -1: recordings must be mono
    resample: bool = False  # convert other sample rates rather than refuse them


MONO_16K = Format()


def decode(path: Path, audio_format: Format) -> Shaped[np.ndarray, " t"]:
    """Reads one recording.

    Args:
      path: a wav or flac file.
      audio_format: expected sample rate and channel.

    Returns:
      [t] samples: int16 as in the file where it has up to 16 bits, else float32 with full scale 1.

    Raises:
      InputError: unreadable, empty, not finite, or of another format; names the file.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
            # A header can promise more than the file holds: never allocate by it.
            if frames > 8 * path.stat().st_size + 1:
                raise InputError(f"{path}: header promises {frames} samples, the file is shorter")
            sixteen = file.subtype in SIXTEEN_BITS
            audio = file.read(dtype="int16" if sixteen else "float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise InputError(f"{path}: not a readable wav or flac file ({error})") from error
    if len(audio) == 0:
        raise InputError(f"{path}: holds no samples")
    if audio_format.channel < 0 and channels != 1:
        raise InputError(
            f"{path}: has {channels} channels, expected mono (data.channel chooses one)"
        )
    if audio_format.channel >= channels:
        raise InputError(
            f"{path}: has {channels} channels, none with number {audio_format.channel} "
            "(data.channel counts from 0)"
        )
    audio = audio[:, max(audio_format.channel, 0)]
    if not np.isfinite(audio).all():
        where = int(np.flatnonzero(~np.isfinite(audio))[0])
        raise InputError(f"{path}: sample {where} is {audio[where]}, expected finite values")
    if rate != audio_format.sample_rate:
        if not audio_format.resample:
            raise InputError(
                f"{path}: sampled at {rate} Hz, expected {audio_format.sample_rate} Hz "
                "(data.resample=True converts)"
            )
        import librosa

        if audio.dtype == np.int16:
            audio = audio.astype(np.float32) / 32_768
        audio = librosa.resample(audio, orig_sr=rate, target_sr=audio_format.sample_rate)
    return np.ascontiguousarray(audio)
