"""Keeps recordings in the device's memory and crops them there.

The samples stay as stored, usually int16, one row per recording. `crop` slices and standardises
them on the device in float32, with the same result as `crops.read_segments` on the host.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding
from jaxtyping import Array, Float, Int, Num

from jax_dns.data.audio_cache import AudioStore
from jax_dns.memory import available_on
from jax_dns.types import ArrayLike

Recording = tuple[AudioStore, int]  # a store and a row in it
SHARE = 0.5  # of the device's free memory; the rest is left to the training


class DeviceRecordings(NamedTuple):
    """Recordings as arrays; row i is the i-th recording given to `upload`."""

    samples: Num[ArrayLike, "n longest"]  # as stored; repeated where shorter than a segment
    mean: Float[ArrayLike, " n"]  # in units of `samples`
    inverse_deviation: Float[ArrayLike, " n"]


class DeviceCache(NamedTuple):
    """Recordings on the device, and the row of each."""

    resident: DeviceRecordings
    position: dict[tuple[int, int], int]  # (identity of a store's samples, row in it) -> row

    def rows(self, recordings: Sequence[Recording]) -> Int[np.ndarray, " b"]:
        """Returns the rows of `resident` that hold the given recordings."""
        return np.asarray([self.position[id(store.samples), row] for store, row in recordings])


def upload(
    recordings: Sequence[Recording], *, segment: int, sharding: Sharding | None = None
) -> DeviceCache:
    """Copies recordings to the device.

    Args:
      recordings: pairs of a store and a row in it; all samples of one type.
      segment: length of the crops to come, samples.
      sharding: placement on the devices; None is JAX's default device.

    Returns:
      The recordings. Rows are padded to the longest one; crops never reach the padding.
    """
    longest = max(segment, *(int(store.length[row]) for store, row in recordings))
    samples = np.zeros((len(recordings), longest), recordings[0][0].samples.dtype)
    for i, (store, row) in enumerate(recordings):
        audio = store.recording(row)
        samples[i, : max(len(audio), segment)] = np.resize(audio, max(len(audio), segment))
    mean, scale = zip(
        *((store.mean[row], store.inverse_deviation[row]) for store, row in recordings)
    )
    resident = jax.device_put(
        DeviceRecordings(samples, np.float32(mean), np.float32(scale)), sharding
    )
    position = {(id(store.samples), row): i for i, (store, row) in enumerate(recordings)}
    return DeviceCache(resident, position)


def crop(
    resident: DeviceRecordings,
    rows: Int[ArrayLike, " b"],
    starts: Int[ArrayLike, " b"],
    *,
    segment: int,
) -> Float[Array, "b t"]:
    """Crops recordings on the device; equal to `crops.read_segments` bit for bit.

    Args:
      resident: recordings.
      rows: rows of `resident` [b].
      starts: first samples [b].
      segment: length, samples.

    Returns:
      float32 [b, segment], each recording's amplitude standardised.
    """

    def crop_one(row: Array, start: Array) -> Array:
        piece = jax.lax.dynamic_slice(resident.samples, (row, start), (1, segment))[0]
        centred = piece.astype(jnp.float32) - resident.mean[row]
        return centred * resident.inverse_deviation[row]

    return jax.vmap(crop_one)(jnp.asarray(rows), jnp.asarray(starts))


def bytes_needed(recordings: Sequence[Recording], *, segment: int) -> int:
    """Returns the memory that `upload` takes, bytes."""
    longest = max(segment, *(int(store.length[row]) for store, row in recordings))
    return len(recordings) * longest * recordings[0][0].samples.dtype.itemsize


def fits(recordings: Sequence[Recording], *, segment: int) -> bool:
    """Returns whether recordings should be uploaded: there is room, and it isn't the host's memory.

    On CPU the pages of the cache file are in the same memory already, so uploading gains nothing.
    """
    free = available_on(jax.local_devices()[0]) if jax.default_backend() != "cpu" else None
    return free is not None and bytes_needed(recordings, segment=segment) <= SHARE * free
