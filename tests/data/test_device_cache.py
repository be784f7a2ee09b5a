"""Recordings on the device give the crops that the cache gives."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.crops import crop_starts, read_segments
from jax_dns.data.device_cache import bytes_needed, crop, fits, upload


def stores(rng, dtype):
    """Two machines' recordings: longer than a segment, as long, shorter, silent."""
    out = []
    for lengths in ((90, 50, 7), (50, 120, 1)):
        samples = [(1000 * rng.normal(size=n)).astype(dtype) for n in lengths]
        samples[0][:] = 3
        out.append(
            AudioStore(
                np.concatenate(samples),
                np.cumsum(lengths) - lengths,
                np.asarray(lengths),
                np.asarray([x.mean(dtype=float) for x in samples]),
                np.asarray([x.std(dtype=float) for x in samples]),
                tuple("abc"),
            )
        )
    return out


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.int16, np.float32]), st.integers(1, 60))
def test_crops_are_those_of_the_cache_bit_for_bit(seed, dtype, segment):
    rng = np.random.default_rng(seed)
    recordings = [(store, row) for store in stores(rng, dtype) for row in (2, 0, 1)]
    library = upload(recordings, segment=segment)
    chosen = [recordings[i] for i in rng.integers(0, len(recordings), 16)]
    lengths = np.asarray([store.length[row] for store, row in chosen])
    starts = crop_starts(lengths, rng.random(16), segment=segment)
    got = crop(library.resident, library.rows(chosen), starts, segment=segment)
    np.testing.assert_array_equal(got, read_segments(chosen, starts, segment=segment))
    assert library.resident.samples.dtype == dtype
    assert library.resident.samples.nbytes == bytes_needed(recordings, segment=segment)


def test_the_cache_is_kept_where_memory_is_the_hosts(rng):
    assert not fits([(stores(rng, np.int16)[0], 0)], segment=4)


def test_fits_leaves_room(rng, monkeypatch):
    class Device:
        platform = "gpu"

        def memory_stats(self):
            return {"bytes_limit": 1000, "bytes_in_use": 100}

    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    monkeypatch.setattr("jax.local_devices", lambda: [Device()])
    recording = (stores(rng, np.int16)[0], 0)  # 90 samples
    assert fits([recording] * 2, segment=4) and not fits([recording] * 3, segment=4)
