"""Cuts segments of fixed length from recordings of any length.

A recording shorter than a segment is repeated: sample t of the segment is sample t mod length of
the recording. A longer one has 1 + (length - segment) // hop segments, so that ten seconds give
seven segments of four seconds at a hop of one second (75 % overlap, Sec. IV.A).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from jax_dns.data.audio_cache import AudioStore


def count_segments(length: int, *, segment: int, hop: int) -> int:
    """Returns the number of segments in a recording; all arguments in samples."""
    return 1 if length <= segment else 1 + (length - segment) // hop


def crop_starts(
    lengths: Int[np.ndarray, " b"], uniform: Float[np.ndarray, " b"], *, segment: int
) -> Int[np.ndarray, " b"]:
    """Maps uniform random numbers to the first samples of random crops.

    Args:
      lengths: lengths of the recordings [b], samples.
      uniform: numbers in [0, 1) [b].
      segment: length of a crop, samples.

    Returns:
      First samples [b], uniform over the positions where a crop fits; 0 where the recording is
      shorter than the crop.
    """
    positions = np.maximum(lengths - segment, 0) + 1
    return np.floor(uniform * positions).astype(np.int64)


def read_segments(
    recordings: Sequence[tuple[AudioStore, int]], starts: Int[np.ndarray, " b"], *, segment: int
) -> Float[np.ndarray, "b t"]:
    """Reads segments and standardises them.

    Args:
      recordings: b pairs of a store and a row in it.
      starts: first samples [b].
      segment: length, samples.

    Returns:
      float32 [b, segment]: samples minus the store's mean, over its standard deviation. Computed
      in float32, so that `device_cache.crop` gives the same bits.
    """
    segments = np.empty((len(recordings), segment), np.float32)
    for i, ((store, row), start) in enumerate(zip(recordings, starts)):
        audio = store.recording(row)
        piece = audio[start : start + segment]
        if len(piece) < segment:
            piece = np.resize(audio, segment)
        mean, scale = np.float32(store.mean[row]), np.float32(store.inverse_deviation[row])
        segments[i] = (piece.astype(np.float32) - mean) * scale
    return segments


def segment_table(
    lengths: Int[np.ndarray, " n"], *, segment: int, hop: int
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Lists every segment of every recording, in order.

    Args:
      lengths: lengths of the recordings [n], samples.
      segment: length of a segment, samples.
      hop: distance between the starts of segments, samples.

    Returns:
      The row of each segment's recording [m], and the segment's number within the recording [m].
      Segment number i starts at sample i * hop.
    """
    counts = [count_segments(int(length), segment=segment, hop=hop) for length in lengths]
    rows = np.repeat(np.arange(len(lengths)), counts)
    numbers = np.concatenate([np.arange(c) for c in counts]) if counts else np.zeros(0, np.int64)
    return rows, numbers
