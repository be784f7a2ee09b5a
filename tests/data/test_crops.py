"""Segments of recordings shorter and longer than a segment."""

import numpy as np
import pytest
from conftest import write_clip
from hypothesis import given
from hypothesis import strategies as st

from jax_dns.data.audio_cache import AudioStore, open_store
from jax_dns.data.clips import Clip
from jax_dns.data.crops import count_segments, crop_starts, read_segments, segment_table


def store_of(*recordings):
    lengths = np.asarray([len(r) for r in recordings])
    return AudioStore(
        np.concatenate(recordings),
        np.cumsum(lengths) - lengths,
        lengths,
        np.asarray([r.mean() for r in recordings]),
        np.asarray([r.std() for r in recordings]),
        ("",) * len(recordings),
    )


def test_ten_seconds_give_seven_segments():
    second = 16_000
    counts = [count_segments(s * second, segment=4 * second, hop=second) for s in (10, 12, 6, 4, 3)]
    assert counts == [7, 9, 3, 1, 1]


@given(st.integers(1, 500), st.integers(1, 100), st.integers(1, 100))
def test_as_many_hops_as_fit(length, segment, hop):
    n = count_segments(length, segment=segment, hop=hop)
    assert n == 1 or (n - 1) * hop + segment <= length
    assert n * hop + segment > length


def test_short_recordings_are_wrapped(rng):
    audio = rng.normal(size=7).astype(np.float32)
    got = read_segments([(store_of(audio), 0)], np.asarray([0]), segment=17)[0]
    expected = np.asarray([audio[t % 7] for t in range(17)])
    np.testing.assert_allclose(got, (expected - audio.mean()) / audio.std(), rtol=1e-5)


def test_each_recording_has_mean_0_and_variance_1(tmp_path):
    path = write_clip(tmp_path / "a.wav", 2.0)
    _, store = open_store([Clip(path, "a.wav", "fan", 0, "source", "train", 0)], tmp_path / "c")
    whole = read_segments([(store, 0)], np.asarray([0]), segment=32_000)
    assert abs(whole.mean()) < 1e-6 and abs(whole.std() - 1) < 1e-5


def test_silence_becomes_zeros():
    store = store_of(np.full(50, 3, np.int16))
    np.testing.assert_array_equal(read_segments([(store, 0)], np.asarray([5]), segment=20), 0)


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_crops_lie_within(length, uniform):
    (start,) = crop_starts(np.asarray([length]), np.asarray([uniform]), segment=20)
    assert 0 <= start <= max(length - 20, 0)


def test_crops_reach_both_ends():
    starts = crop_starts(np.full(2, 100), np.asarray([0.0, 1 - 1e-9]), segment=20)
    assert starts.tolist() == [0, 80]


def test_table_lists_every_segment():
    rows, numbers = segment_table(np.asarray([40, 10, 25]), segment=20, hop=10)
    assert rows.tolist() == [0, 0, 0, 1, 2] and numbers.tolist() == [0, 1, 2, 0, 0]


def test_cut_takes_the_samples_from_start(rng):
    audio = rng.normal(size=100).astype(np.float32)
    store = store_of(rng.normal(size=9).astype(np.float32), audio)
    got = read_segments([(store, 1)], np.asarray([30]), segment=20)[0]
    assert got == pytest.approx((audio[30:50] - audio.mean()) / audio.std(), rel=1e-5)
