"""Generated recordings through the command line: the right samples or one clear error."""

import contextlib
import io
import os
import wave

import numpy as np
import pytest
from soak.fuzzing import call, good_root, time_limit
from soak.sounds import EITHER, good, odd

from jax_dns.data.audio_cache import open_store
from jax_dns.data.layouts import index_clips
from jax_dns.errors import InputError

NAME = "section_00_source_train_normal_0001{}.wav"


def read_back(root, workdir):
    """The samples in the cache that the command line left, by name."""
    kept, store = open_store(index_clips(root)["fan"], workdir / "audio/fan")
    return {clip.name: store.recording(row) for row, clip in enumerate(kept)}


def by_wave(content):
    """Samples as Python's own wave module has them, or None."""
    with contextlib.suppress(wave.Error, EOFError), wave.open(io.BytesIO(content)) as file:
        if file.getnchannels() == 1 and file.getsampwidth() == 2:
            return np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return None


def try_sound(seed, folder):
    rng = np.random.default_rng(seed)
    sound = good(rng) if rng.random() < 0.4 else odd(rng)
    root = good_root(folder / "root")
    name = NAME.format("")
    (root / "fan/train" / name).write_bytes(sound.content)
    with time_limit(20):
        code, message = call(root, folder / "w")
    told = f"seed {seed}, {sound.kind}: {message}"
    if sound.expected is None:
        assert code == 1 and name in message, told
        return
    if code and sound.expected is EITHER:
        assert name in message, told
        return
    assert code == 0, told
    expected = by_wave(sound.content) if sound.expected is EITHER else sound.expected
    if expected is not None:
        found = read_back(root, folder / "w")[name]
        if found.dtype != expected.dtype:  # the clip beside it has 16 bits
            expected = expected.astype(np.float32) / 32_768
        np.testing.assert_array_equal(found, expected, err_msg=told)


@pytest.mark.parametrize("block", range(4))
def test_sounds(tmp_path, block):
    for seed in range(15 * block, 15 * block + 15):
        try_sound(seed, tmp_path / str(seed))


@pytest.mark.soak
@pytest.mark.parametrize("block", range(10))
def test_many_sounds(tmp_path, block):
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        try_sound(seed, tmp_path / str(seed))


def no_file(path, rng):
    """Something that isn't a file, or can't be read."""
    makers = [
        path.mkdir,
        lambda: path.symlink_to(path),
        lambda: path.symlink_to("nowhere.wav"),
        lambda: path.symlink_to("."),
        lambda: os.mkfifo(path),
    ]
    if os.getuid():
        makers.append(lambda: (path.write_bytes(b"x"), path.chmod(0)))
    makers[rng.integers(len(makers))]()


@pytest.mark.parametrize("seed", range(12))
def test_what_is_no_file(tmp_path, seed):
    root = good_root(tmp_path / "root")
    no_file(root / "fan/train" / NAME.format(""), np.random.default_rng(seed))
    with time_limit(20):
        code, message = call(root, tmp_path / "w")
        assert code == 1 and NAME.format("") in message
        code, _ = call(root, tmp_path / "w", "--config.data.skip_corrupt=True")
        assert code == 0
    assert NAME.format("") not in read_skipping(root, tmp_path / "w")


def read_skipping(root, workdir):
    kept, _ = open_store(index_clips(root)["fan"], workdir / "audio/fan", skip_corrupt=True)
    return [clip.name for clip in kept]


NAMES = {
    "_раз два_три": 0,
    "_部品番号_é": 0,
    "_a,b;c'd\"e": 0,
    "_line\nbreak": 1,
    "_[x]{y}*?": 0,
    "_" + "x" * 180: 0,
    "_\udcff\udcfe": 1,  # bytes that are no UTF-8
    " copy": 1,
    "(1)": 1,
}


@pytest.mark.parametrize("attributes", NAMES)
def test_names(tmp_path, attributes):
    root = good_root(tmp_path / "root")
    name = NAME.format(attributes)
    good_clip = next((root / "fan/train").iterdir())
    (root / "fan/train" / name).write_bytes(good_clip.read_bytes())
    code, message = call(root, tmp_path / "w")
    assert code == NAMES[attributes], message
    if code == 0:
        assert name in read_back(root, tmp_path / "w")


@pytest.mark.parametrize("name", ["насос", "fan.v2", "a b", "[x]", "-x", "\udcff"])
def test_machine_names(tmp_path, name):
    root = good_root(tmp_path / "root")
    (root / "fan").rename(root / name)
    code, message = call(root, tmp_path / "w", machine="")
    assert code == (name == "\udcff"), message


def test_folders_that_go_in_circles(tmp_path):
    root = good_root(tmp_path / "root")
    (root / "fan/train/again").symlink_to(root)
    (root / "dev_data").symlink_to(root / "dev_data")
    (root / "ground_truth").mkdir()
    (root / "ground_truth/up").symlink_to(root)
    with time_limit(20):
        code, message = call(root, tmp_path / "w")
    assert code == 0, message


@pytest.mark.soak
def test_thousands_of_files(tmp_path):
    root = good_root(tmp_path / "root")
    content = next((root / "fan/train").iterdir()).read_bytes()
    for i in range(10, 8010):
        path = root / f"fan/train/section_00_source_train_normal_{i:05d}.wav"
        path.write_bytes(content)
    with time_limit(120):
        code, message = call(root, tmp_path / "w")
    assert code == 0, message
    assert len(read_back(root, tmp_path / "w")) == 8002


def test_two_machines_whose_names_differ_after_a_dot(tmp_path):
    """Same clip names, sizes and dates: each keeps its own sound."""
    for machine, value in (("saw.v1", 1), ("saw.v2", 2)):
        root = good_root(tmp_path / "root", machine=machine, value=value)
        for path in (root / machine).rglob("*.wav"):
            os.utime(path, (1, 1))
    for _ in range(2):
        clips = index_clips(root)
        for machine, value in (("saw.v1", 1), ("saw.v2", 2)):
            _, store = open_store(clips[machine], tmp_path / "audio" / machine)
            assert set(np.asarray(store.samples).tolist()) == {value}
    lists = sorted(path.name for path in (tmp_path / "audio").glob("*.json"))
    assert lists == ["saw.v1.json", "saw.v2.json"]


def test_a_long_recording_needs_room(tmp_path, monkeypatch):
    from jax_dns import memory
    from jax_dns.data import decode

    root = good_root(tmp_path / "root")
    monkeypatch.setattr(decode, "BLOCK", 100)
    monkeypatch.setattr(memory, "available", lambda: 500)
    with pytest.raises(InputError, match=r"\.wav: needs 0.00 GB of memory, 0.00 GB are left"):
        decode.decode(next((root / "fan/train").iterdir()), decode.MONO_16K)
