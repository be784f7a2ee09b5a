"""Writes matplotlib figures; matplotlib is imported by the scripts that draw."""

import io
from pathlib import Path
from typing import Any

from jax_dns.errors import InputError
from jax_dns.files import write_bytes

FORMATS = ("png", "pdf", "svg")


def save_figure(figure: Any, path: Path) -> None:
    """Writes a matplotlib figure whole, without a date, in the format of the file's suffix.

    Raises:
      InputError: a suffix that is not among FORMATS, or a folder that can't be written.
    """
    suffix = path.suffix.removeprefix(".")
    if suffix not in FORMATS:
        raise InputError(f"{path}: expected a name that ends in .{', .'.join(FORMATS)}")
    buffer = io.BytesIO()
    undated = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[suffix]
    figure.savefig(buffer, format=suffix, dpi=150, metadata=undated)
    write_bytes(path, buffer.getvalue())
