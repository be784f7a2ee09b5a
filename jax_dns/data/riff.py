"""Whether a RIFF file is as long as its header says.

libsndfile reads what there is: of a file cut short it returns fewer samples, of one with a wrong
size some of them, and says nothing. Here sizes are compared before its samples are believed.
"""

import struct
from pathlib import Path

from jax_dns.errors import InputError

PLAIN = (1, 3, 0xFFFE)  # PCM, IEEE float and the extensible header: whole frames always
UNKNOWN = 0x7FFFF000  # ffmpeg and sox write sizes from here on into a pipe, of unknown length


def check_sizes(path: Path) -> None:
    """Walks through the chunks of a RIFF/WAVE file; other files are left to libsndfile.

    Raises:
      InputError: the samples end before or after the place that the header gives.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        riff = file.read(12)
        if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
            return
        place, align, seen = 12, 1, False
        while place + 8 <= size:
            file.seek(place)
            name, length = struct.unpack("<4sI", file.read(8))
            left = size - place - 8
            if name == b"data":
                if length >= UNKNOWN and length > left:
                    return
                if length > left:
                    raise InputError(
                        f"{path}: cut short: its header promises {length} bytes of samples, "
                        f"{left} are there"
                    )
                if length % align:
                    raise InputError(
                        f"{path}: {length} bytes of samples are no whole number of frames of "
                        f"{align} bytes"
                    )
                seen = True
            elif name == b"fmt " and length >= 16:
                tag, block = struct.unpack("<H10xH", file.read(14))
                align = max(1, block) if tag in PLAIN else 1
            elif not name.isascii() or not name.decode("latin-1").isprintable() or length > left:
                if seen:
                    raise InputError(
                        f"{path}: {left + 8} bytes follow the samples that are no chunks (a header "
                        "of a shorter recording?)"
                    )
                return  # damaged before the samples: libsndfile says so
            place += 8 + length + length % 2
        if seen and size - place > 1:
            raise InputError(f"{path}: {size - place} bytes follow the samples that are no chunk")
