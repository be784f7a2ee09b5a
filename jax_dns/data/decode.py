"""Reads and checks one recording."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Shaped

from jax_dns.data.container import check_length
from jax_dns.errors import InputError
from jax_dns.memory import check_room

# A recording in a container whose length nothing verifies could be cut short unnoticed.
CONTAINERS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "FLAC")
SIXTEEN_BITS = ("PCM_16", "PCM_S8", "PCM_U8")
LARGEST = 1e30  # beyond it a variance overflows float32
BLOCK = 1 << 20  # frames read at a time
UNKNOWN = 0x7FFFF000  # a number of frames that a program writing into a pipe didn't know


class Format(NamedTuple):
    """The format that recordings must have or are converted to."""

    sample_rate: int = 16_000  # Hz
    channel: int = -1  # the channel to take, from 0; -1: recordings must be mono
    resample: bool = False  # convert other sample rates rather than refuse them


MONO_16K = Format()


def decode(path: Path, audio_format: Format) -> Shaped[np.ndarray, " t"]:
    """Reads one recording.

    Args:
      path: a wav, aiff or flac file, whatever its suffix.
      audio_format: sample rate and channel.

    Returns:
      Samples [t]: int16 as in the file where it has up to 16 bits, else float32 with full scale 1.

    Raises:
      InputError: unreadable, cut short, empty, not finite, or of another format; names the file.
    """
    try:
        promised = _check_container(path)
        with soundfile.SoundFile(path) as file:
            _check_format(path, file)
            rate, channels, frames = file.samplerate, file.channels, file.frames
            audio = _read(file, "int16" if file.subtype in SIXTEEN_BITS else "float32", path)
            if promised is not None:  # of W64 libsndfile reads what follows the samples too
                audio, frames = audio[:promised], promised
    except (soundfile.LibsndfileError, OSError) as error:
        raise InputError(f"{path}: not a readable wav or flac file ({error})") from error
    if len(audio) == 0:
        raise InputError(f"{path}: holds no samples")
    if len(audio) != frames and frames < UNKNOWN:
        raise InputError(f"{path}: its header promises {frames} samples, {len(audio)} are there")
    _check_channels(path, channels, audio_format)
    audio = audio[:, max(audio_format.channel, 0)]
    if audio.dtype != np.int16:
        bad = ~(np.abs(audio) < LARGEST)
        if bad.any():
            first = int(bad.argmax())
            raise InputError(
                f"{path}: sample {first} is {audio[first]}, expected finite values under "
                f"{LARGEST:g}"
            )
    _check_rate(path, rate, audio_format)
    if rate != audio_format.sample_rate:
        import librosa

        if audio.dtype == np.int16:
            audio = audio.astype(np.float32) / 32_768
        audio = librosa.resample(audio, orig_sr=rate, target_sr=audio_format.sample_rate)
    return np.ascontiguousarray(audio)


class Header(NamedTuple):
    """What a recording's header promises of its decoded form."""

    length: int  # samples
    sample_bytes: int  # of a decoded sample


def read_header(path: Path, audio_format: Format) -> Header:
    """Checks a recording as `decode` does, as far as its header tells, and reads no sample.

    Args:
      path: a wav, aiff or flac file, whatever its suffix.
      audio_format: sample rate and channel.

    Raises:
      InputError: unreadable, cut short, empty, or of another format; names the file.
    """
    try:
        promised = _check_container(path)
        with soundfile.SoundFile(path) as file:
            _check_format(path, file)
            rate, channels, frames = file.samplerate, file.channels, file.frames
            sample_bytes = 2 if file.subtype in SIXTEEN_BITS else 4
    except (soundfile.LibsndfileError, OSError) as error:
        raise InputError(f"{path}: not a readable wav or flac file ({error})") from error
    frames = frames if promised is None else promised
    if frames == 0:
        raise InputError(f"{path}: holds no samples")
    _check_channels(path, channels, audio_format)
    _check_rate(path, rate, audio_format)
    if rate == audio_format.sample_rate:
        return Header(frames, sample_bytes)
    return Header(-(-frames * audio_format.sample_rate // rate), 4)


def _check_container(path: Path) -> int | None:
    if not path.is_file():
        raise InputError(f"{path}: {_kind(path)}, expected a wav or flac file")
    return check_length(path)


def _check_format(path: Path, file: soundfile.SoundFile) -> None:
    if file.format not in CONTAINERS:
        raise InputError(f"{path}: in the format {file.format}, expected wav, aiff or flac")


def _check_channels(path: Path, channels: int, audio_format: Format) -> None:
    if audio_format.channel < 0 and channels != 1:
        raise InputError(
            f"{path}: has {channels} channels, expected mono (data.channel chooses one)"
        )
    if audio_format.channel >= channels:
        raise InputError(
            f"{path}: has {channels} channels, none with number {audio_format.channel} "
            "(data.channel counts from 0)"
        )


def _check_rate(path: Path, rate: int, audio_format: Format) -> None:
    if rate != audio_format.sample_rate and not audio_format.resample:
        raise InputError(
            f"{path}: sampled at {rate} Hz, expected {audio_format.sample_rate} Hz "
            "(data.resample=True converts)"
        )


def _read(file: soundfile.SoundFile, dtype: str, path: Path) -> Shaped[np.ndarray, "t c"]:
    """Reads all samples in blocks: a false header would make one allocation too large."""
    blocks, size = [], BLOCK * file.channels * np.dtype(dtype).itemsize
    while not blocks or len(blocks[-1]) == BLOCK:
        if blocks:  # concatenating the blocks needs the memory twice
            check_room((len(blocks) + 2) * size, str(path))
        blocks.append(file.read(BLOCK, dtype=dtype, always_2d=True))
    return np.concatenate(blocks)


def _kind(path: Path) -> str:
    """Describes a path that isn't a regular file."""
    if path.is_dir():
        return "a folder"
    try:
        path.stat()
    except OSError as error:
        return str(error.strerror)
    return "not a regular file"
