"""Sizes in a RIFF header against the bytes that follow."""

import struct

import numpy as np
import pytest
import soundfile

from jax_dns.data.riff import UNKNOWN, check_sizes
from jax_dns.errors import InputError

DATA = 40  # where a plain header says how long the samples are


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(1_000, np.int16), 16_000, subtype="PCM_16")
    return path


def claim(path, length):
    content = bytearray(path.read_bytes())
    assert content[DATA - 4 : DATA] == b"data"
    content[DATA : DATA + 4] = struct.pack("<I", length)
    path.write_bytes(content)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("frames", [0, 1, 999])
def test_whole_files_pass(tmp_path, subtype, frames):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((frames, 2)), 16_000, subtype=subtype)
    check_sizes(path)


def test_a_chunk_after_the_samples_passes(wav):
    wav.write_bytes(wav.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO")
    check_sizes(wav)


def test_other_files_are_left_to_the_decoder(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"no recording")
    check_sizes(path)


@pytest.mark.parametrize("lost", [1, 1_999])
def test_cut_short(wav, lost):
    wav.write_bytes(wav.read_bytes()[:-lost])
    with pytest.raises(InputError, match=f"promises 2000 bytes of samples, {2_000 - lost} are"):
        check_sizes(wav)


def test_length_of_a_pipe_is_not_known(wav):
    claim(wav, 0xFFFFFFFF)
    check_sizes(wav)
    claim(wav, UNKNOWN - 2)
    with pytest.raises(InputError, match="cut short"):
        check_sizes(wav)


def test_no_whole_frames(wav):
    claim(wav, 1_999)
    with pytest.raises(InputError, match="no whole number of frames of 2 bytes"):
        check_sizes(wav)


def test_a_header_of_a_shorter_recording(wav):
    wav.write_bytes(wav.read_bytes()[: DATA + 4] + bytes(range(1, 251)) * 8)
    claim(wav, 1_000)
    with pytest.raises(InputError, match="follow the samples that are no chunk"):
        check_sizes(wav)
