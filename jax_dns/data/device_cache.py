"""Recordings in the device's memory, and crops of them there.

The samples stay as they are stored, int16 as a rule, a row a recording: what `segments.cut` reads
from the file, the device slices for itself, and both standardise in float32 alike.
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
SHARE = 0.5  # of the device's free memory; the rest is the training's


class DeviceRecordings(NamedTuple):
    """Recordings as arrays; row i is the i-th of those given to `upload`."""

    samples: Num[ArrayLike, "n longest"]  # as stored; wrapped where shorter than a segment
    mean: Float[ArrayLike, " n"]  # in units of `samples`
    inverse_deviation: Float[ArrayLike, " n"]


class DeviceCache(NamedTuple):
    """Recordings on the device, and where each of them is."""

    resident: DeviceRecordings
    place: dict[tuple[int, int], int]  # of a store's samples, by identity, and a row in it

    def rows(self, recordings: Sequence[Recording]) -> Int[np.ndarray, " b"]:
        """Rows of some recordings among the resident ones."""
        return np.asarray([self.place[id(store.samples), row] for store, row in recordings])


def upload(
    recordings: Sequence[Recording], *, segment: int, sharding: Sharding | None = None
) -> DeviceCache:
    """Copies recordings to the device.

    Args:
      recordings: pairs of a store and a row in it; all samples of one type.
      segment: length of the crops to come, samples.
      sharding: where to; None is JAX's default device.

    Returns:
      The recordings; what lies behind the end of one is never part of a crop.
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
    place = {(id(store.samples), row): i for i, (store, row) in enumerate(recordings)}
    return DeviceCache(resident, place)


def crop(
    resident: DeviceRecordings,
    rows: Int[ArrayLike, " b"],
    starts: Int[ArrayLike, " b"],
    *,
    segment: int,
) -> Float[Array, "b t"]:
    """What `segments.cut` gives for the same recordings and starts, bit for bit.

    Args:
      resident: recordings.
      rows: [b] rows of `resident`.
      starts: [b] first samples.
      segment: length, samples.

    Returns:
      float32 [b, segment], each recording's amplitude standardised.
    """

    def one(row: Array, start: Array) -> Array:
        piece = jax.lax.dynamic_slice(resident.samples, (row, start), (1, segment))[0]
        centred = piece.astype(jnp.float32) - resident.mean[row]
        return centred * resident.inverse_deviation[row]

    return jax.vmap(one)(jnp.asarray(rows), jnp.asarray(starts))


def bytes_needed(recordings: Sequence[Recording], *, segment: int) -> int:
    """Memory that `upload` takes, bytes."""
    longest = max(segment, *(int(store.length[row]) for store, row in recordings))
    return len(recordings) * longest * recordings[0][0].samples.dtype.itemsize


def fits(recordings: Sequence[Recording], *, segment: int) -> bool:
    """Whether the recordings are worth keeping in the device's memory, and leave it room.

    On CPU they are not: the file's pages are in the same memory already.
    """
    free = available_on(jax.local_devices()[0]) if jax.default_backend() != "cpu" else None
    return free is not None and bytes_needed(recordings, segment=segment) <= SHARE * free
