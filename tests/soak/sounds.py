"""Generated recordings, good and bad, with the samples that a reader must find in them.

Samples are known before they are written, so what is checked against is no decoder at all.
"""

import io
import struct
from typing import NamedTuple

import numpy as np
import soundfile

RATE = 16_000
CONTAINERS = {
    "RIFX": {"format": "WAV", "endian": "BIG"},
    "RF64": {"format": "RF64"},
    "W64": {"format": "W64"},
    "AIFF": {"format": "AIFF"},
}
EITHER = "either"  # an error, or what Python's own wave module reads


class Sound(NamedTuple):
    """A file's bytes and what is to come of them."""

    kind: str
    content: bytes
    expected: np.ndarray | str | None  # samples as the cache holds them; None: an error


def wav(data: bytes, *, tag=1, bits=16, channels=1, rate=RATE, **wrong) -> bytes:
    """A RIFF/WAVE file; `wrong`: sizes (riff, size) and bytes before the samples (extra)."""
    align = channels * bits // 8 % 2**16
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * align % 2**32, align, bits)
    if tag == 0xFFFE:
        sub = 3 if wrong.get("float") else 1
        form += struct.pack("<HHI", 22, bits, 4) + struct.pack("<H", sub)
        form += b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + wrong.get("extra", b"")
    body += b"data" + struct.pack("<I", wrong.get("size", len(data))) + data
    body += b"\x00" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", wrong.get("riff", len(body))) + body


def samples(rng: np.random.Generator) -> np.ndarray:
    """Samples in [-1, 1): noise, silence, clipping, a constant, or a single one."""
    n = int(rng.integers(2, 3000))
    shapes = (
        lambda: rng.normal(size=n) * 0.1,
        lambda: np.zeros(n),
        lambda: np.sign(rng.normal(size=n)),
        lambda: np.full(n, 0.25),
        lambda: rng.uniform(-1, 1, 1),
    )
    return np.clip(shapes[rng.integers(len(shapes))](), -1, 1 - 2.0**-15)


def good(rng: np.random.Generator) -> Sound:
    """A recording of any depth, headers as programs write them."""
    x = samples(rng)
    depths = ["u8", "i16", "i24", "i32", "f32", "f64", "i16 ext", "f32 ext", "flac"]
    kind = str(rng.choice([*depths, *CONTAINERS, "trailer", "no pad", "alignment"]))
    pcm = np.round(x * 32_767).astype(np.int16)
    if kind in CONTAINERS:
        return Sound(kind, container(kind, pcm), pcm)
    if kind == "trailer":
        tag = bytes(rng.choice([b"TAG" + rng.bytes(125), b"ID3\x03" + rng.bytes(40)]))
        ends = (tag, b"\r\n", bytes(int(rng.integers(1, 5000))), b"\0" + tag)
        return Sound(kind, wav(pcm.tobytes()) + ends[rng.integers(len(ends))], pcm)
    if kind == "no pad":  # an odd number of bytes, and the next chunk right behind them
        wide = np.arange(2 * int(rng.integers(1, 999)) + 1, dtype="<i4")
        data = wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        content = wav(data, bits=24)[:-1] + b"LIST" + struct.pack("<I", 4) + b"INFO"
        return Sound(kind, content, (wide / 2.0**23).astype(np.float32))
    if kind == "alignment":
        content = bytearray(wav(pcm.tobytes()))
        content[32:34] = rng.bytes(2)
        return Sound(kind, bytes(content), pcm)
    if kind == "u8":
        data = np.round(x * 127 + 128).astype(np.uint8)
        expected = (data.astype(np.int32) - 128 << 8).astype(np.int16)
        return Sound(kind, wav(data.tobytes(), bits=8), expected)
    if kind == "i24":
        wide = np.round(x * 8_388_607).astype("<i4")
        data = wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        return Sound(kind, wav(data, bits=24), (wide / 2.0**23).astype(np.float32))
    if kind == "i32":
        wide = np.round(x * 2_147_483_000).astype("<i4")
        return Sound(kind, wav(wide.tobytes(), bits=32), (wide / 2.0**31).astype(np.float32))
    if kind in ("f32", "f32 ext"):
        data, tag = x.astype("<f4"), 3 if kind == "f32" else 0xFFFE
        return Sound(kind, wav(data.tobytes(), tag=tag, bits=32, float=True), data)
    if kind == "f64":
        return Sound(kind, wav(x.astype("<f8").tobytes(), tag=3, bits=64), x.astype(np.float32))
    if kind == "flac":
        file = io.BytesIO()
        soundfile.write(file, pcm, RATE, format="FLAC", subtype="PCM_16")
        return Sound(kind, file.getvalue(), pcm)
    return Sound(kind, wav(pcm.tobytes(), tag=0xFFFE if kind == "i16 ext" else 1), pcm)


def odd(rng: np.random.Generator) -> Sound:
    """A recording with a header that lies, values out of range, or no recording at all."""
    pcm = rng.integers(-32_768, 32_767, int(rng.integers(8, 3000))).astype("<i2")
    data, floats = pcm.tobytes(), (pcm / 32_768).astype("<f4")
    n, spoilt = len(data), floats.copy()
    spoilt[rng.integers(len(spoilt))] = rng.choice([np.nan, np.inf, -np.inf, 3e38])
    stream = int(rng.choice([0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024]))
    chunk = b"LIST" + struct.pack("<I", 2 * n) + bytes(2 * n)
    cases = {
        "empty file": (b"", None),
        "no samples": (wav(b""), None),
        "cut short": (wav(data)[: int(rng.integers(1, n + 44))], None),
        "RIFF size": (wav(data, riff=int(rng.integers(0, 2**32))), pcm),
        "promises more": (wav(data, size=n + int(rng.integers(1, 2**30))), None),
        "promises less": (wav(data, size=2 * int(rng.integers(1, n // 2))), None),
        "odd size": (wav(data, size=n - 1), None),
        "stream": (wav(data, size=stream, riff=stream), pcm),
        "big chunk before": (wav(data, extra=chunk), pcm),
        "chunk beyond the end": (wav(data, extra=b"LIST" + struct.pack("<I", 2**31)), None),
        "not finite": (wav(spoilt.tobytes(), tag=3, bits=32), None),
        "stereo": (wav(data[: n // 4 * 4], channels=2), None),
        "channels": (wav(data, channels=int(rng.integers(3, 65_536))), None),
        "rate": (wav(data, rate=int(rng.choice([0, 1, 8000, 44_100, 2**32 - 1]))), None),
        "noise": (rng.bytes(n), None),
        "text": (b"clip,label\n" * 20, None),
        "flipped": (_flipped(rng, wav(data)), EITHER),
        "chunk after": (wav(data) + chunk, pcm),
        "cut container": (_cut(rng, pcm), None),
        "other format": (container("AU", pcm, format="AU"), None),
    }
    kind = str(rng.choice(list(cases)))
    return Sound(kind, *cases[kind])


def container(kind: str, pcm: np.ndarray, **options) -> bytes:
    """Samples in another container than RIFF, as libsndfile writes it."""
    file = io.BytesIO()
    soundfile.write(file, pcm, RATE, subtype="PCM_16", **(options or CONTAINERS[kind]))
    return file.getvalue()


def _cut(rng: np.random.Generator, pcm: np.ndarray) -> bytes:
    """A file of another container that ends within its samples."""
    content = container(str(rng.choice(list(CONTAINERS))), pcm)
    return content[: -int(rng.integers(8, 2 * len(pcm)))]


def _flipped(rng: np.random.Generator, content: bytes) -> bytes:
    """One byte of the header another."""
    place, value = int(rng.integers(0, 44)), int(rng.integers(1, 256))
    return content[:place] + bytes([content[place] ^ value]) + content[place + 1 :]
