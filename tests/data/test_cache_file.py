"""The files of a cache: damage, other formats, what is left after a failure."""

import json
import os

import numpy as np
import pytest

from jax_dns.data.cache_file import open_samples, read_listing, write_cache
from jax_dns.data.clips import Clip
from jax_dns.data.decode import MONO_16K
from jax_dns.errors import InputError

AUDIO = {
    "a": np.arange(5, dtype=np.int16),
    "b": np.int16([7, -7]),
    "c": np.float32([0.25, 1e-9, -0.5]),
}


def clips(names):
    return [Clip(name, name, "fan", 0, "source", "train", 0) for name in names]


def write(cache, names, **options):
    def load(clip):
        if clip.name not in AUDIO:
            raise InputError(f"{clip.name}: damaged")
        return AUDIO[clip.name], f"digest {clip.name}"

    options = dict(audio_format=MONO_16K, stamps={name: 1 for name in names}) | options
    return write_cache(cache, clips(names), load, progress=False, **options)


def test_samples_and_their_statistics(tmp_path):
    listing = write(tmp_path / "fan.v2", "ab")
    assert listing == read_listing(tmp_path / "fan.v2", MONO_16K)
    samples = open_samples(tmp_path / "fan.v2", listing)
    np.testing.assert_array_equal(samples, np.concatenate([AUDIO["a"], AUDIO["b"]]))
    entry = listing["clips"]["b"]
    assert (entry["start"], entry["length"], entry["digest"]) == (5, 2, "digest b")
    assert (entry["mean"], entry["deviation"]) == (0, 7)


def test_one_float_recording_makes_all_float(tmp_path):
    listing = write(tmp_path / "fan", "abc")
    samples = open_samples(tmp_path / "fan", listing)
    expected = [AUDIO["a"] / 32_768, AUDIO["b"] / 32_768, AUDIO["c"]]
    np.testing.assert_array_equal(samples, np.float32(np.concatenate(expected)))


def test_a_new_cache_replaces_the_old_one_and_nothing_else(tmp_path):
    others = ["fan-notes.pcm", "fan-0123.pcm", "fan2-" + "0" * 32 + ".pcm"]
    for name in others:
        (tmp_path / name).write_bytes(b"")
    first = write(tmp_path / "fan", "a")
    second = write(tmp_path / "fan", "ab")
    assert first["file"] != second["file"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [*others, "fan.json", second["file"]]
    )


def test_a_failure_leaves_the_old_cache(tmp_path, monkeypatch):
    listing = write(tmp_path / "fan", "a")
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(InputError, match="x: damaged"):
        write(tmp_path / "fan", "ax")
    with monkeypatch.context() as patched, pytest.raises(InputError, match="can't be written"):
        patched.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(28, "full")))
        write(tmp_path / "fan", "ab")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == files
    assert read_listing(tmp_path / "fan", MONO_16K) == listing


def test_refused_recordings_are_listed_as_faults(tmp_path):
    listing = write(tmp_path / "fan", "axb", skip_corrupt=True)
    assert list(listing["clips"]) == ["a", "b"]
    assert listing["faults"] == {"x": {"message": "x: damaged", "stamp": 1}}


def test_a_cache_of_another_format_is_not_read(tmp_path):
    write(tmp_path / "fan", "a")
    assert read_listing(tmp_path / "fan", MONO_16K._replace(sample_rate=8_000)) is None
    assert read_listing(tmp_path / "pump", MONO_16K) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 1},
        {"file": "fan-gone.pcm"},
        {"bytes": 8},
        {"clips": {"a": {"start": 0}}},
        {"clips": []},
        {"faults": {"x": {}}},
        {"dtype": "int17"},
    ],
)
def test_a_damaged_list_is_not_read(tmp_path, change):
    listing = write(tmp_path / "fan", "a")
    (tmp_path / "fan.json").write_text(json.dumps(listing | change))
    assert read_listing(tmp_path / "fan", MONO_16K) is None


def test_recordings_beyond_the_end_are_not_read(tmp_path):
    listing = write(tmp_path / "fan", "ab")
    listing["clips"]["b"]["length"] += 1
    (tmp_path / "fan.json").write_text(json.dumps(listing))
    assert read_listing(tmp_path / "fan", MONO_16K) is None


def test_no_recordings_make_an_empty_cache(tmp_path):
    assert len(open_samples(tmp_path / "fan", write(tmp_path / "fan", ""))) == 0
