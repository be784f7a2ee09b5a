"""Faults that the server makes, and the record of a request."""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass
class Faults:
    """Faults to make, and how the zips are built."""

    cut: dict[str, int] = field(default_factory=dict)  # file -> bytes it's cut off after
    cuts: int = 1 << 30  # times that is done
    wrong_md5: set[str] = field(default_factory=set)  # files
    no_ranges: bool = False
    wrong_ranges: bool = False  # a byte too late
    no_sizes: bool = False  # in the JSON
    redirect: bool = False
    busy: int = 0  # requests answered by 429 before the first other one
    retry_after: str = "0"
    missing: set[str] = field(default_factory=set)  # files, or records by number
    json: bytes | None = None  # instead of a record's own
    silent: set[str] = field(default_factory=set)  # files that stop coming half-way
    seconds_per_chunk: float = 0.0  # a slow line: s for 64 KiB
    top_folder: bool = True  # zips hold <machine>/train/..., not train/...
    loose_labels: bool = False  # ground truth as CSV files, not as a zip
    extra: dict[str, bytes] = field(default_factory=dict)  # further members of every zip


class Request(NamedTuple):
    """A request that was made."""

    method: str
    path: str
    range: str | None
    status: int
