"""Opens the decoded recordings of a machine type, and decodes those that the cache lacks.

Recordings are recognised by path, size and time of change: a second run decodes nothing, and new
recordings are decoded alone. `cache_file` describes the files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from tqdm import tqdm

from jax_dns.data.cache_file import open_samples, read_listing, write_cache
from jax_dns.data.clips import Clip
from jax_dns.data.decode import MONO_16K, Format, decode
from jax_dns.files import bytes_digest

QUIETEST = 1e-30  # a deviation below it has no inverse in float32


class AudioStore(NamedTuple):
    """Decoded recordings of one machine type; row i is clip i."""

    samples: Shaped[np.ndarray, " total"]  # int16 or float32, all recordings end to end
    start: Int[np.ndarray, " n"]  # first sample of each recording
    length: Int[np.ndarray, " n"]  # samples
    mean: Float[np.ndarray, " n"]  # in units of `samples`
    deviation: Float[np.ndarray, " n"]  # standard deviation, in units of `samples`
    digest: tuple[str, ...]  # of each recording's decoded samples

    def recording(self, row: int) -> Shaped[np.ndarray, " t"]:
        """Returns all samples of a recording, as stored."""
        return self.samples[self.start[row] : self.start[row] + self.length[row]]

    @property
    def inverse_deviation(self) -> Float[np.ndarray, " n"]:
        """1 / deviation; 1 for a silent recording, which then becomes all zeros."""
        return 1.0 / np.where(self.silent, 1.0, self.deviation)

    @property
    def silent(self) -> Bool[np.ndarray, " n"]:
        """Recordings that are constant up to float32's rounding error."""
        return self.deviation <= np.maximum(QUIETEST, 1e-7 * np.abs(self.mean))


def open_store(
    clips: Sequence[Clip],
    cache: str | Path,
    *,
    audio_format: Format = MONO_16K,
    skip_corrupt: bool = False,
    progress: bool = True,
) -> tuple[list[Clip], AudioStore]:
    """Decodes the recordings that the cache lacks, and opens it.

    Args:
      clips: recordings of one machine type.
      cache: path of the cache without suffix, one for each machine type.
      audio_format: expected sample rate and channel.
      skip_corrupt: leave out recordings that can't be used and report them, instead of stopping.
      progress: show a bar while decoding.

    Returns:
      The clips that are in the store, in the order given, and the store.

    Raises:
      InputError: a recording is unreadable, cut short, empty, of another rate or channel count, or
        not finite; or the cache can't be written.
    """
    cache = Path(cache)
    listing = read_listing(cache, audio_format)
    stamps = {clip.name: _stamp(clip.path) for clip in clips}

    def unchanged(entries: dict[str, dict]) -> dict[str, dict]:
        return {name: e for name, e in entries.items() if stamps.get(name) == e["stamp"]}

    cached = unchanged(listing["clips"]) if listing else {}
    faults = unchanged(listing["faults"]) if listing else {}
    if len(cached) + skip_corrupt * len(faults) < len(clips):
        samples = open_samples(cache, listing) if cached else np.zeros(0, np.int16)

        def load(clip: Clip) -> tuple[Shaped[np.ndarray, " t"], str]:
            if entry := cached.get(clip.name):
                return samples[entry["start"] :][: entry["length"]], entry["digest"]
            audio = decode(clip.path, audio_format)
            return audio, bytes_digest(audio.tobytes())

        listing = write_cache(
            cache,
            clips,
            load,
            stamps=stamps,
            audio_format=audio_format,
            dtypes=("int16", "float32") if samples.dtype == np.int16 else ("float32",),
            skip_corrupt=skip_corrupt,
            progress=progress,
        )
        faults = listing["faults"]
    if faults:
        tqdm.write(f"skipped {len(faults)} of {len(clips)} recordings (data.skip_corrupt):")
        tqdm.write("\n".join(f"  {fault['message']}" for fault in faults.values()))
    stored = [clip for clip in clips if clip.name in listing["clips"]]
    rows = [listing["clips"][clip.name] for clip in stored]

    def column(key: str, dtype: type) -> np.ndarray:
        return np.asarray([row[key] for row in rows], dtype)

    store = AudioStore(
        open_samples(cache, listing),
        column("start", np.int64),
        column("length", np.int64),
        column("mean", np.float64),
        column("deviation", np.float64),
        tuple(row["digest"] for row in rows),
    )
    return stored, store


def standardise_together(store: AudioStore, train: Sequence[int]) -> AudioStore:
    """Gives all recordings the mean and variance of the machine type's training clips.

    The other reading of Sec. IV.A; by default each recording has its own mean and variance.

    Args:
      store: recordings.
      train: rows of the training clips; all rows if there are none.

    Returns:
      The store with one mean and one standard deviation for every recording.
    """
    rows = np.asarray(train if len(train) else range(len(store.length)), np.int64)
    weight = store.length[rows] / store.length[rows].sum()
    mean = float(np.sum(weight * store.mean[rows]))
    second = float(np.sum(weight * (store.deviation[rows] ** 2 + store.mean[rows] ** 2)))
    deviation = np.sqrt(max(second - mean**2, 0.0))
    n = len(store.length)
    return store._replace(mean=np.full(n, mean), deviation=np.full(n, deviation))


def _stamp(path: Path) -> list[int | str]:
    """Returns path, size and time of change, which tell whether a recording is the cached one."""
    try:
        status = path.stat()
    except OSError:  # such as a broken link; decoding will report it
        return [str(path.absolute()), 0, 0]
    return [str(path.absolute()), status.st_size, status.st_mtime_ns]
