"""Cuts of fixed length from recordings of any length.

A recording shorter than a segment is wrapped: sample t of the segment is sample t mod length of the
recording. A longer one gives as many hops as fit: 1 + (length - segment) // hop, so that ten
seconds give seven segments of four seconds at a hop of one (75 % overlap, Sec. IV.A).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jax_dns.data.audio_cache import AudioStore


def count_segments(length: int, *, segment: int, hop: int) -> int:
    """Number of segments in a recording; all arguments in samples."""
    return 1 if length <= segment else 1 + (length - segment) // hop


def crop_starts(
    lengths: Int[np.ndarray, " b"], uniform: Float[np.ndarray, " b"], *, segment: int
) -> Int[np.ndarray, " b"]:
    """First samples of random crops.

    Args:
      lengths: [b] lengths of the recordings, samples.
      uniform: [b] draws from [0, 1).
      segment: length of a crop, samples.

    Returns:
      [b] starts, uniform over the places where a crop fits; 0 where the recording is shorter.
    """
    room = np.maximum(lengths - segment, 0) + 1
    return np.floor(uniform * room).astype(np.int64)


def read_segments(
    recordings: Sequence[tuple[AudioStore, int]], starts: Int[np.ndarray, " b"], *, segment: int
) -> Float[np.ndarray, "b t"]:
    """Reads segments, standardised.

    Args:
      recordings: b pairs of a store and a row in it.
      starts: [b] first samples.
      segment: length, samples.

    Returns:
      float32 [b, segment], each recording's amplitude shifted and scaled by its store's mean and
      standard deviation; in float32, as `resident.crop` does it on the device.
    """
    out = np.empty((len(recordings), segment), np.float32)
    for i, ((store, row), start) in enumerate(zip(recordings, starts)):
        audio = store.recording(row)
        piece = audio[start : start + segment]
        if len(piece) < segment:
            piece = np.resize(audio, segment)
        mean, scale = np.float32(store.mean[row]), np.float32(store.inverse_deviation[row])
        out[i] = (piece.astype(np.float32) - mean) * scale
    return out


def segment_table(
    lengths: Int[np.ndarray, " n"], *, segment: int, hop: int
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Every segment of every recording, in order.

    Args:
      lengths: [n] lengths of the recordings, samples.
      segment: length of a segment, samples.
      hop: distance between segments, samples.

    Returns:
      rows [m]: the recording of each segment; numbers [m]: its place within the recording. The
      segment starts at sample number * hop.
    """
    counts = [count_segments(int(n), segment=segment, hop=hop) for n in lengths]
    rows = np.repeat(np.arange(len(lengths)), counts)
    numbers = np.concatenate([np.arange(c) for c in counts]) if counts else np.zeros(0, np.int64)
    return rows, numbers
