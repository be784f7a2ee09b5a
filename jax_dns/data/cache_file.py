"""Writes and reads the files of a cache of decoded recordings.

A cache is two files: `<name>-<digest>.pcm` holds the samples of all recordings end to end, as int16
or float32, and `<name>.json` names that file and lists its recordings. Both are written under a
temporary name and moved into place, the list last, so that a list never names missing samples.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped
from tqdm import tqdm

from jax_dns.data.clips import Clip
from jax_dns.data.decode import Format
from jax_dns.errors import InputError
from jax_dns.files import bytes_digest, temporary_path, write_json

FORMAT_VERSION = 2
CHUNK = 64  # recordings decoded at a time: bounds the memory and keeps the threads busy
Listing = dict[str, Any]  # the content of <name>.json
Load = Callable[[Clip], tuple[Shaped[np.ndarray, " t"], str]]


def read_listing(cache: Path, audio_format: Format) -> Listing | None:
    """Reads a cache's list of recordings; None where it is absent, damaged or of another format."""
    try:
        listing = json.loads(_listing_path(cache).read_text())
        expected = (FORMAT_VERSION, list(audio_format))
        if (listing["format_version"], listing["format"]) != expected:
            return None
        if (cache.parent / listing["file"]).stat().st_size != listing["bytes"]:
            return None
        total = listing["bytes"] // np.dtype(listing["dtype"]).itemsize
        fields = {"start", "length", "mean", "deviation", "digest", "stamp"}
        for entry in listing["clips"].values():
            if not fields <= entry.keys() or entry["start"] + entry["length"] > total:
                return None
        if not all({"message", "stamp"} <= fault.keys() for fault in listing["faults"].values()):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return listing


def open_samples(cache: Path, listing: Listing) -> Shaped[np.ndarray, " total"]:
    """Maps a cache's samples into memory."""
    if listing["bytes"] == 0:
        return np.zeros(0, listing["dtype"])
    return np.memmap(cache.parent / listing["file"], listing["dtype"], mode="r")


def write_cache(
    cache: Path,
    clips: Sequence[Clip],
    load: Load,
    *,
    stamps: dict[str, Any],
    audio_format: Format,
    dtypes: Sequence[str] = ("int16", "float32"),
    skip_corrupt: bool = False,
    progress: bool = True,
) -> Listing:
    """Writes a cache; an older one of the same name is replaced.

    Args:
      cache: path of the cache without suffix.
      clips: recordings.
      load: returns a recording's samples, int16 or float32, and their digest; called in threads.
      stamps: what tells whether a recording has changed, by the clip's name.
      audio_format: format of the samples.
      dtypes: types to try in order, until one holds all samples.
      skip_corrupt: list recordings that `load` refuses as faults, instead of stopping.
      progress: show a bar.

    Returns:
      The new list.

    Raises:
      InputError: from `load`, or the cache can't be written.
    """
    temporary = temporary_path(cache)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        for dtype in dtypes:
            with (
                temporary.open("xb") as file,
                _bar(cache.name, len(clips), progress) as bar,
            ):
                entries = _write_samples(file, clips, load, dtype, skip_corrupt, bar)
            if entries is not None:
                break
            temporary.unlink()
        listed, faults = entries
        for name, entry in (listed | faults).items():
            entry["stamp"] = stamps[name]
        target = cache.with_name(f"{cache.name}-{bytes_digest(json.dumps(listed).encode())}.pcm")
        size = temporary.stat().st_size
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"{cache}: can't be written ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)
    listing = {
        "format_version": FORMAT_VERSION,
        "format": list(audio_format),
        "dtype": dtype,
        "file": target.name,
        "bytes": size,
        "clips": listed,
        "faults": faults,
    }
    write_json(_listing_path(cache), listing)
    older = re.compile(re.escape(cache.name) + r"-[0-9a-f]{16,}\.pcm")
    for path in cache.parent.iterdir():
        if older.fullmatch(path.name) and path != target:
            path.unlink()
    return listing


def _write_samples(
    file: BinaryIO, clips: Sequence[Clip], load: Load, dtype: str, skip_corrupt: bool, bar: tqdm
) -> tuple[dict[str, dict], dict[str, dict]] | None:
    """Writes all samples; returns the recordings and the faults, or None if `dtype` can't hold one.

    A recording's digest is that of the samples as decoded, whatever type holds them now.
    """
    listed: dict[str, dict] = {}
    faults: dict[str, dict] = {}
    position = 0

    def try_load(clip: Clip) -> tuple[np.ndarray, str] | InputError:
        try:
            return load(clip)
        except InputError as error:
            return error

    with ThreadPoolExecutor() as threads:
        for first in range(0, len(clips), CHUNK):
            chunk = clips[first : first + CHUNK]
            for clip, loaded in zip(chunk, threads.map(try_load, chunk)):
                bar.update()
                if isinstance(loaded, InputError):
                    if not skip_corrupt:
                        raise loaded
                    faults[clip.name] = {"message": str(loaded)}
                    continue
                audio, digest = loaded
                if audio.dtype != dtype:
                    if dtype == "int16":
                        return None
                    audio = audio.astype(np.float32) / 32_768
                file.write(audio.tobytes())
                wide = audio.astype(np.float64)
                listed[clip.name] = {
                    "start": position,
                    "length": len(audio),
                    "mean": float(wide.mean()),
                    "deviation": float(wide.std()),
                    "digest": digest,
                }
                position += len(audio)
    file.flush()
    os.fsync(file.fileno())
    return listed, faults


def _bar(name: str, total: int, progress: bool) -> tqdm:
    return tqdm(
        total=total,
        desc=f"decode {name}",
        unit="clip",
        disable=None if progress else True,
        leave=False,
    )


def _listing_path(cache: Path) -> Path:
    return cache.with_name(f"{cache.name}.json")  # with_suffix would cut a machine's "fan.v2"
