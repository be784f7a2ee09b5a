"""Decoded recordings, cached: one memory-mapped file of samples per machine type.

A cache is two files: `<name>-<key>.pcm`, all recordings end to end as int16 or float32, and
`<name>.json`, which names it and lists its recordings. Both are written under another name and
moved into place, the list last, so a list never names samples that aren't there. Recordings are
recognised by path, size and time of change: a second run decodes nothing, and new recordings are
decoded alone.
"""

import glob
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from tqdm import tqdm

from jax_dns.data.clips import Clip
from jax_dns.data.decode import MONO_16K, Format, decode
from jax_dns.errors import InputError
from jax_dns.files import write_json

FORMAT_VERSION = 2
QUIETEST = 1e-30  # a deviation under it has no inverse in float32
CHUNK = 64  # recordings decoded at a time: bounds the memory, keeps the threads busy


class AudioStore(NamedTuple):
    """Decoded recordings of one machine type; row i is clip i."""

    samples: Shaped[np.ndarray, " total"]  # int16 or float32, all recordings end to end
    start: Int[np.ndarray, " n"]  # first sample of each recording
    length: Int[np.ndarray, " n"]  # samples
    mean: Float[np.ndarray, " n"]  # in units of `samples`
    deviation: Float[np.ndarray, " n"]  # in units of `samples`
    digest: tuple[str, ...]  # of each recording's decoded samples

    def recording(self, row: int) -> Shaped[np.ndarray, " t"]:
        """All samples of recording `row`, as stored."""
        return self.samples[self.start[row] : self.start[row] + self.length[row]]

    @property
    def inverse_deviation(self) -> Float[np.ndarray, " n"]:
        """1 / deviation; 1 for a silent recording, which so becomes all zeros."""
        return 1.0 / np.where(self.silent, 1.0, self.deviation)

    @property
    def silent(self) -> Bool[np.ndarray, " n"]:
        """Recordings without sound: constant, but for what float32 rounds off."""
        return self.deviation <= np.maximum(QUIETEST, 1e-7 * np.abs(self.mean))


def open_store(
    clips: Sequence[Clip],
    cache: str | Path,
    *,
    audio_format: Format = MONO_16K,
    skip_corrupt: bool = False,
    progress: bool = True,
) -> tuple[list[Clip], AudioStore]:
    """Decodes what the cache doesn't hold yet and opens it.

    Args:
      clips: recordings of one machine type.
      cache: path of the cache without suffix, one a machine type.
      audio_format: expected sample rate and channel.
      skip_corrupt: leave out recordings that can't be used and report them, instead of stopping.
      progress: show a bar while decoding.

    Returns:
      The clips that are in the store, in the order given, and the store.

    Raises:
      InputError: a recording is unreadable, empty, of another rate or channel count, or holds
        values that aren't finite.
    """
    cache = Path(cache)
    known = _read_list(cache, audio_format)
    stamps = {clip.name: _stamp(clip.path) for clip in clips}
    entries = known["clips"] if known else {}
    fresh = {n for n, e in entries.items() if n in stamps and e["stamp"] == stamps[n]}
    faults = known["faults"] if known else {}
    faults = {n: f for n, f in faults.items() if n in stamps and f["stamp"] == stamps[n]}
    if len(fresh) + skip_corrupt * len(faults) < len(clips):
        old = _open(cache, known) if fresh else None
        known = _rebuild(
            clips, cache, stamps, fresh, entries, old, audio_format, skip_corrupt, progress
        )
        faults = known["faults"]
    if faults:
        tqdm.write(f"skipped {len(faults)} of {len(clips)} recordings (data.skip_corrupt):")
        tqdm.write("\n".join(f"  {fault['message']}" for fault in faults.values()))
    kept = [clip for clip in clips if clip.name in known["clips"]]
    rows = [known["clips"][clip.name] for clip in kept]

    def column(key: str, dtype: type) -> np.ndarray:
        return np.asarray([row[key] for row in rows], dtype)

    store = AudioStore(
        _open(cache, known),
        column("start", np.int64),
        column("length", np.int64),
        column("mean", np.float64),
        column("deviation", np.float64),
        tuple(row["digest"] for row in rows),
    )
    return kept, store


def standardise_together(store: AudioStore, train: Sequence[int]) -> AudioStore:
    """The other reading of Sec. IV.A: one mean and variance a machine, of its training clips.

    Args:
      store: recordings.
      train: rows of the training clips; all rows if there are none.

    Returns:
      The store with the same mean and deviation for every recording.
    """
    rows = np.asarray(train if len(train) else range(len(store.length)), np.int64)
    weight = store.length[rows] / store.length[rows].sum()
    mean = float(np.sum(weight * store.mean[rows]))
    second = float(np.sum(weight * (store.deviation[rows] ** 2 + store.mean[rows] ** 2)))
    deviation = np.sqrt(max(second - mean**2, 0.0))
    n = len(store.length)
    return store._replace(mean=np.full(n, mean), deviation=np.full(n, deviation))


def _stamp(path: Path) -> list[int | str]:
    try:
        status = path.stat()
    except OSError:  # as of a broken link; decoding it will say so
        return [str(path.absolute()), 0, 0]
    return [str(path.absolute()), status.st_size, status.st_mtime_ns]


def _list_of(cache: Path) -> Path:
    return cache.with_name(f"{cache.name}.json")  # a machine's name may hold a dot


def _read_list(cache: Path, audio_format: Format) -> dict | None:
    """The cache's list of recordings, or None where it is absent, damaged or of another format."""
    try:
        known = json.loads(_list_of(cache).read_text())
        if known["format_version"] != FORMAT_VERSION or known["format"] != list(audio_format):
            return None
        if (cache.parent / known["file"]).stat().st_size != known["bytes"]:
            return None
        total = known["bytes"] // np.dtype(known["dtype"]).itemsize
        fields = {"start", "length", "mean", "deviation", "digest", "stamp"}
        for entry in known["clips"].values():
            if not fields <= entry.keys() or entry["start"] + entry["length"] > total:
                return None
        if not all({"message", "stamp"} <= fault.keys() for fault in known["faults"].values()):
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return known


def _open(cache: Path, known: dict) -> np.ndarray:
    if known["bytes"] == 0:
        return np.zeros(0, known["dtype"])
    return np.memmap(cache.parent / known["file"], known["dtype"], mode="r")


def _rebuild(
    clips, cache, stamps, fresh, entries, old, audio_format, skip_corrupt, progress
) -> dict:
    """Writes a new cache: recordings in `fresh` are copied from `old`, the others decoded."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{cache.parent}: can't be made ({error.strerror})") from error
    for dtype in ("int16", "float32"):
        if old is not None and dtype != old.dtype:
            if dtype == "int16":
                continue
            fresh = set()  # a recording with more than 16 bits has joined: decode all as float32
        temporary = cache.with_name(f".{cache.name}-{os.getpid()}.partial")
        try:
            written = _write_samples(
                clips, temporary, dtype, fresh, entries, old, audio_format, skip_corrupt, progress
            )
            if written is None:
                continue
            listed, faults = written
            for name, entry in (listed | faults).items():
                entry["stamp"] = stamps[name]
            key = hashlib.blake2b(json.dumps(listed).encode(), digest_size=8).hexdigest()
            target = cache.with_name(f"{cache.name}-{key}.pcm")
            size = temporary.stat().st_size
            temporary.replace(target)
        except OSError as error:
            raise InputError(f"{cache}: can't be written ({error.strerror})") from error
        finally:
            temporary.unlink(missing_ok=True)
        known = {
            "format_version": FORMAT_VERSION,
            "format": list(audio_format),
            "dtype": dtype,
            "file": target.name,
            "bytes": size,
            "clips": listed,
            "faults": faults,
        }
        write_json(_list_of(cache), known)
        for stale in cache.parent.glob(f"{glob.escape(cache.name)}-*.pcm"):
            if stale != target and len(stale.stem) == len(target.stem):
                stale.unlink()
        return known
    raise AssertionError("float32 holds any recording")


def _write_samples(
    clips, path, dtype, fresh, entries, old, audio_format, skip_corrupt, progress
) -> tuple[dict, dict] | None:
    """Writes all samples to `path`; None if one doesn't fit `dtype`."""
    listed: dict[str, dict] = {}
    faults: dict[str, dict] = {}
    position = 0

    def load(clip: Clip) -> np.ndarray | InputError:
        if clip.name in fresh:
            entry = entries[clip.name]
            return old[entry["start"] : entry["start"] + entry["length"]]
        try:
            return decode(clip.path, audio_format)
        except InputError as error:
            return error

    bar = tqdm(
        total=len(clips),
        desc=f"decode {path.name[1:].split('-')[0]}",
        unit="clip",
        disable=None if progress else True,
        leave=False,
    )
    with path.open("wb") as file, ThreadPoolExecutor() as threads, bar:
        for first in range(0, len(clips), CHUNK):
            chunk = clips[first : first + CHUNK]
            for clip, audio in zip(chunk, threads.map(load, chunk)):
                bar.update()
                if isinstance(audio, InputError):
                    if not skip_corrupt:
                        raise audio
                    faults[clip.name] = {"message": str(audio)}
                    continue
                if clip.name in fresh:  # of the samples as decoded, whatever type holds them now
                    digest = entries[clip.name]["digest"]
                else:
                    digest = hashlib.blake2b(audio.tobytes(), digest_size=16).hexdigest()
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
