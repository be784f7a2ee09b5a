"""a_G and f_D of every segment: the two parallel paths of Fig. 2, as one stream of recordings.

Threads cut the next batches while the device works on one and the host collects the one before.
"""

import collections
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int
from tqdm import tqdm

from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.crops import read_segments, segment_table
from jax_dns.data.prefetch import read_ahead

AHEAD = 4  # batches cut before their turn
THREADS = 2  # that cut them
IN_FLIGHT = 2  # batches given to the device before the host waits for the first of them


def score_and_embed(
    recordings: Sequence[tuple[AudioStore, int]],
    generative: Callable[[Array], Float[Array, " b"]],
    discriminative: Callable[[Array], Float[Array, "b d"]],
    *,
    segment: int,
    hop: int,
    batch_size: int,
    title: str,
) -> tuple[
    Int[np.ndarray, " m"], Int[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, "m d"]
]:
    """Scores and embeds all segments of some recordings, and says how many clips a second.

    Args:
      recordings: pairs of a store and a row in it.
      generative: waveforms [b, t] -> a_G [b].
      discriminative: waveforms [b, t] -> f_D [b, d].
      segment: samples.
      hop: samples between segments.
      batch_size: segments given to the functions at a time; the last batch is filled up.
      title: the machine type, for the progress bar and the line at the end.

    Returns:
      Of each segment: the number of its recording, its own number within it, score and feature.
    """
    lengths = np.asarray([store.length[row] for store, row in recordings])
    which, number = segment_table(lengths, segment=segment, hop=hop)
    n, started = len(which), time.perf_counter()
    scores, features = [], []
    in_flight: collections.deque[tuple[Any, Any]] = collections.deque()

    def read(first: int) -> Float[np.ndarray, "b t"]:
        rows = np.minimum(np.arange(first, first + batch_size), n - 1)
        return read_segments(
            [recordings[i] for i in which[rows]], number[rows] * hop, segment=segment
        )

    firsts = range(0, n, batch_size)
    batches = read_ahead(read, firsts, ahead=AHEAD, threads=THREADS)
    bar = tqdm(
        total=len(recordings),
        desc=f"{title} embed",
        unit="clip",
        mininterval=0.5,
        disable=None,
        leave=False,
    )

    def collect() -> None:
        score, feature = in_flight.popleft()
        scores.append(np.asarray(score, np.float32))
        features.append(np.asarray(feature, np.float32))
        done = len(scores) * batch_size  # a clip is done with its last segment
        bar.update((which[done] if done < n else len(recordings)) - bar.n)

    with bar, contextlib.closing(batches):
        for audio in batches:
            in_flight.append((generative(audio), discriminative(audio)))
            if len(in_flight) == IN_FLIGHT:
                collect()
        while in_flight:
            collect()
    seconds = time.perf_counter() - started
    tqdm.write(
        f"{title}: embedded {len(recordings)} clips in {seconds:.1f} s, "
        f"{len(recordings) / seconds:.1f} clips/s"
    )
    return which, number, np.concatenate(scores)[:n], np.concatenate(features)[:n]
