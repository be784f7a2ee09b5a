"""Decoding and its checks."""

import struct

import librosa
import numpy as np
import pytest
import soundfile
from conftest import write_clip

from jax_dns.data.decode import Format, decode, read_header
from jax_dns.errors import InputError


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "PCM_U8"])
def test_flac_and_wav_of_any_depth(tmp_path, subtype):
    path = write_clip(tmp_path / "a.wav", subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float64")
    got = decode(path, Format()).astype(np.float64)
    scale = 32_768 if decode(path, Format()).dtype == np.int16 else 1
    np.testing.assert_allclose(got / scale, expected, atol=1e-7)


def bad_files(folder):
    """File, format, and what its error must say."""
    write_clip(folder / "stereo.wav", channels=2)
    write_clip(folder / "fast.wav", sample_rate=44_100)
    write_clip(folder / "empty.wav", samples=np.zeros(0))
    nan = np.full(100, 0.1)
    nan[17] = np.nan
    write_clip(folder / "nan.wav", samples=nan, subtype="FLOAT")
    (folder / "zero.wav").write_bytes(b"")
    (folder / "noise.wav").write_bytes(bytes(range(256)))
    (folder / "folder.wav").mkdir()
    header = b"RIFF" + struct.pack("<I", 2**31) + b"WAVEfmt " + struct.pack("<I", 16)
    header += struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    (folder / "header.wav").write_bytes(header + b"data" + struct.pack("<I", 2**31 - 64))
    return {
        "stereo.wav": "has 2 channels, expected mono",
        "fast.wav": "sampled at 44100 Hz, expected 16000 Hz",
        "empty.wav": "holds no samples",
        "nan.wav": "sample 17 is nan",
        "zero.wav": "not a readable",
        "noise.wav": "not a readable",
        "folder.wav": "a folder, expected",
        "header.wav": "holds no samples|promises|not a readable",
    }


def test_bad_recordings_are_named(tmp_path):
    for name, message in bad_files(tmp_path).items():
        with pytest.raises(InputError, match=rf"{name}: .*({message})") as error:
            decode(tmp_path / name, Format())
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "PCM_U8"])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_header_tells_length_and_type_of_the_samples(tmp_path, subtype, rate):
    path = write_clip(tmp_path / "a.wav", 0.3, subtype=subtype, sample_rate=rate)
    audio_format = Format(resample=True)
    header, audio = read_header(path, audio_format), decode(path, audio_format)
    assert header == (len(audio), audio.dtype.itemsize)


def test_faults_that_a_header_tells(tmp_path):
    for name, message in bad_files(tmp_path).items():
        if name != "nan.wav":
            with pytest.raises(InputError, match=rf"{name}: .*({message}|cut short)"):
                read_header(tmp_path / name, Format())


def test_headers_of_another_length_are_not_believed(tmp_path):
    """libsndfile would return fewer samples of each of these, and say nothing."""
    path = write_clip(tmp_path / "a.wav", 0.1)
    whole = path.read_bytes()
    size = len(whole) - 44
    for promised, fault in (
        (size + 2, f"promises {size + 2} bytes of samples, {size} are there"),
        (size - 2, "2 bytes follow the samples that are no chunk"),
        (size - 200, "200 bytes follow the samples that are no chunk"),
        (size - 201, "no whole number of frames of 2 bytes"),
    ):
        path.write_bytes(whole[:40] + struct.pack("<I", promised) + whole[44:])
        with pytest.raises(InputError, match=f"a.wav: .*{fault}"):
            decode(path, Format())
    expected = np.frombuffer(whole[44:], "<i2")
    for unknown in (2**32 - 1, 2**31 - 1):  # as written into a pipe
        path.write_bytes(whole[:40] + struct.pack("<I", unknown) + whole[44:])
        np.testing.assert_array_equal(decode(path, Format()), expected)
    path.write_bytes(whole + b"LIST" + struct.pack("<I", 4) + b"note")
    np.testing.assert_array_equal(decode(path, Format()), expected)


def test_formats_whose_length_nothing_verifies_are_refused(tmp_path):
    path = tmp_path / "a.wav"
    for kind, subtype in (("AU", "PCM_16"), ("CAF", "PCM_16"), ("OGG", "VORBIS")):
        soundfile.write(path, np.zeros(4_000), 16_000, format=kind, subtype=subtype)
        with pytest.raises(InputError, match=f"a.wav: in the format {kind}, expected wav, aiff"):
            decode(path, Format())


def test_a_silent_flac_is_short_and_whole(tmp_path):
    """300 samples a byte: a bound on that would refuse it."""
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(160_000), 16_000)
    assert path.stat().st_size < 1000
    np.testing.assert_array_equal(decode(path, Format()), np.zeros(160_000, np.int16))


def test_a_cut_flac_is_refused(tmp_path, rng):
    path = tmp_path / "a.flac"
    soundfile.write(path, 0.1 * rng.normal(size=20_000), 16_000)
    content = path.read_bytes()
    for size in range(100, len(content), 997):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"a\.flac: "):
            decode(path, Format())


def test_channel_and_resampling(tmp_path):
    stereo = write_clip(tmp_path / "stereo.wav", channels=2)
    expected, _ = soundfile.read(stereo, dtype="int16")
    np.testing.assert_array_equal(decode(stereo, Format(channel=1)), expected[:, 1])
    with pytest.raises(InputError, match="none with number 2"):
        decode(stereo, Format(channel=2))
    fast = write_clip(tmp_path / "fast.wav", sample_rate=44_100)
    got = decode(fast, Format(resample=True))
    original, _ = soundfile.read(fast, dtype="float32")
    np.testing.assert_allclose(
        got, librosa.resample(original, orig_sr=44_100, target_sr=16_000), atol=1e-6
    )
