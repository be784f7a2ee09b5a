"""The cache of decoded recordings."""

import numpy as np
import pytest
import soundfile
from conftest import write_clip

from jax_dns.data import audio_cache
from jax_dns.data.audio_cache import open_store, standardise_together
from jax_dns.data.clips import Clip
from jax_dns.data.decode import decode
from jax_dns.data.layouts import index_clips
from jax_dns.errors import InputError


def clip(path):
    return Clip(path, path.name, "fan", 0, "source", "train", 0)


@pytest.fixture
def clips(tmp_path):
    return [clip(write_clip(tmp_path / f"sound/{i}.wav", 0.5 + 0.25 * i, seed=i)) for i in range(4)]


def test_samples_are_those_of_the_files(clips, tmp_path):
    kept, store = open_store(clips, tmp_path / "cache/fan")
    assert kept == clips and store.samples.dtype == np.int16
    for row, c in enumerate(clips):
        expected, _ = soundfile.read(c.path, dtype="int16")
        np.testing.assert_array_equal(store.recording(row), expected)
        assert store.mean[row] == pytest.approx(expected.mean())
        assert store.deviation[row] == pytest.approx(expected.std())


def test_second_run_decodes_nothing(clips, tmp_path, monkeypatch):
    _, first = open_store(clips, tmp_path / "cache/fan")
    monkeypatch.setattr(audio_cache, "decode", lambda *_: pytest.fail("decoded again"))
    _, second = open_store(clips, tmp_path / "cache/fan")
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.digest == second.digest


def test_only_new_and_changed_recordings_are_decoded(clips, tmp_path, monkeypatch):
    open_store(clips[:2], tmp_path / "cache/fan")
    write_clip(clips[0].path, 0.3, seed=9)
    decoded = []
    monkeypatch.setattr(
        audio_cache, "decode", lambda path, f: decoded.append(path.name) or decode(path, f)
    )
    _, store = open_store(clips[:3], tmp_path / "cache/fan")
    assert sorted(decoded) == ["0.wav", "2.wav"]
    expected, _ = soundfile.read(clips[1].path, dtype="int16")
    np.testing.assert_array_equal(store.recording(1), expected)
    assert len(list((tmp_path / "cache").glob("*.pcm"))) == 1


def test_damaged_cache_is_made_again(clips, tmp_path):
    _, store = open_store(clips, tmp_path / "cache/fan")
    expected = np.array(store.samples)
    (pcm,) = (tmp_path / "cache").glob("*.pcm")
    pcm.write_bytes(pcm.read_bytes()[:-2])
    _, again = open_store(clips, tmp_path / "cache/fan")
    np.testing.assert_array_equal(again.samples, expected)
    (tmp_path / "cache/fan.json").write_text('{"format_version": 1')
    _, again = open_store(clips, tmp_path / "cache/fan")
    np.testing.assert_array_equal(again.samples, expected)


def test_a_float_recording_turns_the_cache_to_float(clips, tmp_path):
    _, small = open_store(clips, tmp_path / "cache/fan")
    wide = clip(write_clip(tmp_path / "sound/w.wav", subtype="FLOAT"))
    _, store = open_store([*clips, wide], tmp_path / "cache/fan")
    assert store.samples.dtype == np.float32
    expected, _ = soundfile.read(clips[0].path, dtype="float32")
    np.testing.assert_array_equal(store.recording(0), expected)
    assert store.digest[:4] == small.digest  # the same sound as before
    more = clip(write_clip(tmp_path / "sound/x.wav", seed=5))
    _, store = open_store([*clips, wide, more], tmp_path / "cache/fan")
    assert store.digest[:4] == small.digest


def test_bad_recordings_leave_nothing_behind_or_are_skipped(clips, tmp_path, capsys):
    broken = tmp_path / "sound/zero.wav"
    broken.write_bytes(b"")
    with pytest.raises(InputError, match=r"zero\.wav"):
        open_store([*clips, clip(broken)], tmp_path / "cache/fan")
    assert not list((tmp_path / "cache").iterdir())
    for _ in range(2):
        kept, store = open_store([*clips, clip(broken)], tmp_path / "cache/fan", skip_corrupt=True)
        assert kept == clips and len(store.length) == 4
        assert "skipped 1 of 5" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"zero\.wav"):
        open_store([*clips, clip(broken)], tmp_path / "cache/fan")


def test_skipped_recordings_are_not_tried_again(clips, tmp_path, monkeypatch):
    broken = tmp_path / "sound/zero.wav"
    broken.write_bytes(b"")
    open_store([*clips, clip(broken)], tmp_path / "cache/fan", skip_corrupt=True)
    monkeypatch.setattr(audio_cache, "decode", lambda *_: pytest.fail("decoded again"))
    open_store([*clips, clip(broken)], tmp_path / "cache/fan", skip_corrupt=True)


def test_mean_and_variance_of_a_whole_machine(clips, tmp_path):
    _, store = open_store(clips, tmp_path / "cache/fan")
    together = standardise_together(store, [0, 2])
    samples = np.concatenate([store.recording(0), store.recording(2)]).astype(float)
    np.testing.assert_allclose(together.mean, samples.mean())
    np.testing.assert_allclose(together.deviation, samples.std())


def test_genuine_recordings(shared, tmp_path):
    for machine, found in index_clips(shared / "dcase_clips").items():
        _, store = open_store(found, tmp_path / machine)
        assert set(store.length) <= {160_000, 192_000}, machine
