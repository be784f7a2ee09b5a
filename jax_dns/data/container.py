"""Checks that a recording's file holds as many samples as its header promises.

libsndfile reads what there is: of a file cut short it returns fewer samples, and of one whose
header promises too few it returns those, without an error. RIFF (wav), RIFX, RF64, W64 and AIFF
files are sequences of chunks, each with its name and size, so the sizes can be compared with the
file's. FLAC counts its samples itself.
"""

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jax_dns.errors import InputError

LINEAR, COMPANDED = (1, 3, 0xFFFE), (6, 7)  # format tags: PCM, float, extensible; A-law, mu-law
BLANK = b"\0 \t\r\n"
TAGS = (b"TAG", b"ID3", b"3DI", b"APETAGEX", b"LYRICSBEGIN")  # music players append these
GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # the end of W64's chunk names
LIST_GUID = bytes.fromhex("2e91cf11a5d628db04c10000")


class Container(NamedTuple):
    """A file format made of chunks."""

    chunk: struct.Struct  # a chunk's name and size
    first: int  # byte at which the first chunk starts
    samples: bytes  # name of the chunk of samples
    alignment: int  # chunks start at multiples of this many bytes
    size_includes_name: bool = False
    unknown: int = 0x7FFFF000  # programs that write into a pipe give sizes from here on


CONTAINERS = {
    b"RIFF": Container(struct.Struct("<4sI"), 12, b"data", 2),
    b"RIFX": Container(struct.Struct(">4sI"), 12, b"data", 2),
    b"RF64": Container(struct.Struct("<4sI"), 12, b"data", 2),
    b"FORM": Container(struct.Struct(">4sI"), 12, b"SSND", 2),
    b"riff": Container(struct.Struct("<16sQ"), 40, b"data" + GUID, 8, True, 2**62),
}


class Chunk(NamedTuple):
    """A chunk's name and where its content lies."""

    name: bytes
    start: int
    size: int


def check_length(path: Path) -> int | None:
    """Compares the sizes in a file's header with the file's own; other formats pass.

    Tags that music players append, zeros and line breaks may follow the samples, and the pad byte
    after a chunk of odd size may be missing.

    Returns:
      The samples that the header promises for each channel; None where it doesn't say.

    Raises:
      InputError: the samples end before or after the place that the header gives.
    """
    end = path.stat().st_size
    with path.open("rb") as file:
        container = CONTAINERS.get(file.read(4))
        if container is None:
            return None
        place = content_end = container.first
        frame, long_size, frames, sampled = 0, None, None, False
        while chunk := _chunk_at(file, container, place):
            left = end - chunk.start
            if chunk.name == container.samples:
                size, unknown = chunk.size, container.unknown
                if size == 0xFFFFFFFF and long_size is not None:  # RF64
                    size, unknown = long_size, 2**62
                if size > left and size >= unknown:
                    return None
                _check_samples(path, size, left, frame)
                chunk, sampled = chunk._replace(size=size), True
                frames = size // frame if frame else None
            elif chunk.size > left or not _is_name(chunk.name):
                break
            elif chunk.name == b"ds64" and chunk.size >= 16:
                (long_size,) = struct.unpack("<8xQ", file.read(16))
            elif chunk.name[:4] == b"fmt " and chunk.size >= 16:
                frame = _frame(file, container)
            content_end = chunk.start + chunk.size
            place = _next_place(file, container, chunk)
        # A tag may also follow the last chunk's content without padding in between.
        tails = (place, content_end)
        if sampled and end - place > 1 and not any(_is_harmless(file, tail) for tail in tails):
            raise InputError(
                f"{path}: {end - content_end} bytes follow the samples that are no chunk "
                "(a header of a shorter recording?)"
            )
    return frames


def _check_samples(path: Path, size: int, left: int, frame: int) -> None:
    if size > left:
        raise InputError(
            f"{path}: cut short: its header promises {size} bytes of samples, {left} are there"
        )
    if frame and size % frame:
        raise InputError(
            f"{path}: {size} bytes of samples are no whole number of frames of {frame} bytes"
        )


def _chunk_at(file: BinaryIO, container: Container, place: int) -> Chunk | None:
    """Reads a chunk's name and size; the file is left at its content."""
    file.seek(place)
    head = file.read(container.chunk.size)
    if len(head) < container.chunk.size:
        return None
    name, size = container.chunk.unpack(head)
    size -= container.chunk.size * container.size_includes_name
    return Chunk(name, place + container.chunk.size, max(0, size))


def _is_name(name: bytes) -> bool:
    printable = all(32 <= byte < 127 for byte in name[:4])
    return printable and name[4:] in (b"", GUID, LIST_GUID)


def _frame(file: BinaryIO, container: Container) -> int:
    """Returns the bytes of one sample of all channels; 0 for a format without such frames."""
    order = container.chunk.format[0]
    tag, channels, bits = struct.unpack(f"{order}HH10xH", file.read(16))
    # The header's own block alignment is wrong in some files, and libsndfile ignores it.
    if tag in COMPANDED:
        return channels
    return channels * -(-bits // 8) if tag in LINEAR else 0


def _next_place(file: BinaryIO, container: Container, chunk: Chunk) -> int:
    """Returns where the chunk after this one starts."""
    end = chunk.start + chunk.size
    aligned = end + -end % container.alignment
    if aligned == end + 1:  # a pad byte, which some programs forget
        padded, bare = (_chunk_at(file, container, place) for place in (aligned, end))
        if bare and _is_name(bare.name) and not (padded and _is_name(padded.name)):
            return end
    return aligned


def _is_harmless(file: BinaryIO, place: int) -> bool:
    """Whether only zeros, white space or a tag follow from `place` on."""
    file.seek(place)
    while block := file.read(1 << 16):
        if text := block.lstrip(BLANK):
            return text.startswith(TAGS)
    return True
