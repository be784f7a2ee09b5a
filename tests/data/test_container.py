"""Sizes in a recording's header against the bytes that follow."""

import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from jax_dns.data.container import check_length
from jax_dns.data.decode import MONO_16K, decode
from jax_dns.errors import InputError

DATA = 40  # where a plain RIFF header states the size of the samples
N = 1_001  # odd, so that 8- and 24-bit samples need a pad byte
CONTAINERS = {
    "RIFF": {"format": "WAV"},
    "RIFX": {"format": "WAV", "endian": "BIG"},
    "RF64": {"format": "RF64"},
    "W64": {"format": "W64"},
    "AIFF": {"format": "AIFF"},
}


def write(path, container="RIFF", *, samples=None, subtype="PCM_16"):
    samples = np.arange(N, dtype=np.int16) if samples is None else samples
    soundfile.write(path, samples, 16_000, subtype=subtype, **CONTAINERS[container])
    return path


@pytest.fixture
def wav(tmp_path):
    return write(tmp_path / "a.wav")


def patch(path, place, content):
    data = path.read_bytes()
    path.write_bytes(data[:place] + content + data[place + len(content) :])


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
@pytest.mark.parametrize("frames", [0, 1, 999])
def test_whole_files_pass_and_their_samples_are_counted(tmp_path, container, subtype, frames):
    path = write(tmp_path / "a.wav", container, samples=np.zeros((frames, 2)), subtype=subtype)
    assert check_length(path) == (None if container == "AIFF" else frames)


@pytest.mark.parametrize("container", CONTAINERS)
@given(lost=st.integers(1, 2 * N))
def test_a_file_cut_within_its_samples_is_refused(tmp_path_factory, container, lost):
    path = write(tmp_path_factory.mktemp("cut") / "a.wav", container)
    if container == "W64":
        lost += -path.stat().st_size % 8 + 6  # the padding that follows 2,002 bytes
    path.write_bytes(path.read_bytes()[:-lost])
    messages = "cut short: its header promises|not a read|holds no samples"
    with pytest.raises(InputError, match=rf"a\.wav: ({messages})"):
        decode(path, MONO_16K)


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_error_says_how_much_is_there(tmp_path, container):
    path = write(tmp_path / "a.wav", container, samples=np.zeros(1_000, np.int16))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"promises 20\d\d bytes of samples, 18\d\d are there"):
        check_length(path)


TRAILERS = {
    "ID3v1 tag": b"TAG" + b"title".ljust(125, b"\0"),
    "ID3v2 tag": b"ID3\x03\0\0\0\0\0\x7f" + b"x" * 127,
    "APE tag": b"APETAGEX" + bytes(range(24)),
    "zeros": bytes(3_000),
    "line break": b"\r\n",
    "a byte": b"\x80",
    "zeros, then a tag": bytes(5) + b"TAG" + bytes(125),
}


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("container", ["RIFF", "RIFX", "AIFF", "W64"])
def test_what_players_and_editors_append_is_accepted(tmp_path, container, trailer):
    path = write(tmp_path / "a.wav", container)
    path.write_bytes(path.read_bytes() + trailer)
    np.testing.assert_array_equal(decode(path, MONO_16K), np.arange(N))


@pytest.mark.parametrize("padded", [True, False])
def test_a_chunk_after_an_odd_number_of_bytes(tmp_path, padded):
    samples = np.arange(N) / 2**20
    path = write(tmp_path / "a.wav", samples=samples, subtype="PCM_24")
    content = path.read_bytes()
    assert len(content) % 2 == 0 and content[-1] == 0  # libsndfile has added the pad byte
    content = content if padded else content[:-1]
    path.write_bytes(content + b"LIST" + struct.pack("<I", 4) + b"INFO")
    np.testing.assert_array_equal(decode(path, MONO_16K), samples.astype(np.float32))


@pytest.mark.parametrize("alignment", [0, 1, 3, 4, 65_535])
def test_a_wrong_block_alignment_is_ignored(wav, alignment):
    patch(wav, 32, struct.pack("<H", alignment))
    np.testing.assert_array_equal(decode(wav, MONO_16K), np.arange(N))


def test_other_files_are_left_to_the_decoder(tmp_path):
    path = tmp_path / "a.wav"
    for content in (b"", b"RI", b"no recording", b"fLaC" + bytes(10)):
        path.write_bytes(content)
        check_length(path)


def test_the_length_written_into_a_pipe_is_not_known(wav):
    for unknown in (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024):
        patch(wav, DATA, struct.pack("<I", unknown))
        check_length(wav)
    patch(wav, DATA, struct.pack("<I", 0x7FFFF000 - 2))
    with pytest.raises(InputError, match="cut short"):
        check_length(wav)


def test_rf64_takes_the_length_of_its_ds64_chunk(tmp_path):
    path = write(tmp_path / "a.wav", "RF64")
    assert path.read_bytes()[12:16] == b"ds64"
    patch(path, 28, struct.pack("<Q", 2**33))  # bytes of samples: more than 32 bits hold
    with pytest.raises(InputError, match=f"promises {2**33} bytes of samples, 2002 are there"):
        check_length(path)


def test_no_whole_frames(wav):
    patch(wav, DATA, struct.pack("<I", 2 * N - 1))
    with pytest.raises(InputError, match="no whole number of frames of 2 bytes"):
        check_length(wav)


def test_a_header_of_a_shorter_recording(wav):
    wav.write_bytes(wav.read_bytes()[: DATA + 4] + bytes(range(1, 251)) * 8)
    patch(wav, DATA, struct.pack("<I", 1_000))
    with pytest.raises(InputError, match="1000 bytes follow the samples that are no chunk"):
        check_length(wav)


def test_recordings_of_other_programs(shared):
    cases = shared.parent / "cases"
    if not cases.is_dir():
        pytest.skip("no folder of small cases beside the recordings")
    plain = decode(cases / "wav/plain.wav", MONO_16K)
    assert len(plain) == 1_601
    for path in (cases / "wav").iterdir():
        audio = decode(path, MONO_16K)
        if audio.dtype != plain.dtype:  # 24 bits
            audio = audio * 32_768
        np.testing.assert_array_equal(audio, plain, err_msg=path.name)
    for path in (cases / "wav_cut").iterdir():
        with pytest.raises(InputError, match="promises 3202 bytes of samples, 2202 are there"):
            decode(path, MONO_16K)
