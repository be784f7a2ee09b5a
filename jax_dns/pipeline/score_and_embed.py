"""a_G and f_D of every segment: the two parallel paths of Fig. 2, over one stream of recordings.

Threads read the next batches while the device works on one and the host collects the previous one.
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
from jax_dns.errors import InputError
from jax_dns.heartbeat import heartbeat
from jax_dns.wording import counted, duration

AHEAD = 4  # batches read before their turn
THREADS = 2  # that read them
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
    names: tuple[str, str] = ("generative", "discriminative"),
) -> tuple[
    Int[np.ndarray, " m"], Int[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, "m d"]
]:
    """Scores and embeds all segments of some recordings, and prints the rate in clips/s.

    Args:
      recordings: pairs of a store and a row in it.
      generative: waveforms [b, t] -> a_G [b].
      discriminative: waveforms [b, t] -> f_D [b, d].
      segment: samples.
      hop: samples between segments.
      batch_size: segments given to the functions at a time; the last batch is padded.
      title: machine type and seed, for messages.
      names: of the two components, for messages.

    Returns:
      For each segment: the number of its recording, its own number within it, score and feature.

    Raises:
      InputError: a component's output has another shape, or values that aren't finite.
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

    batches = read_ahead(read, range(0, n, batch_size), ahead=AHEAD, threads=THREADS)
    bar = tqdm(
        total=len(recordings),
        desc=f"{title} embed",
        unit="clip",
        mininterval=0.5,
        disable=None,
        leave=False,
    )

    def collect() -> None:
        score, feature = (np.asarray(x, np.float32) for x in in_flight.popleft())
        _check_shape(names[0], score, batch_size, rank=1)
        _check_shape(names[1], feature, batch_size, rank=2)
        scores.append(score)
        features.append(feature)
        bar.update(clips_done() - bar.n)

    def clips_done() -> int:
        done = len(scores) * batch_size  # a clip is done with its last segment
        return int(which[done]) if done < n else len(recordings)

    def line() -> str:
        seconds = time.perf_counter() - started
        left = seconds * (len(recordings) - clips_done()) / max(1, clips_done())
        remaining = f", about {duration(left)} left" if clips_done() else ""
        return f"{title}: embedded {clips_done()} of {len(recordings)} clips{remaining}"

    with bar, heartbeat(line), contextlib.closing(batches):
        for audio in batches:
            in_flight.append((generative(audio), discriminative(audio)))
            if len(in_flight) == IN_FLIGHT:
                collect()
        while in_flight:
            collect()
    seconds = time.perf_counter() - started
    tqdm.write(
        f"{title}: embedded {counted(len(recordings), 'clip')} in {seconds:.1f} s, "
        f"{len(recordings) / seconds:.1f} clips/s"
    )
    score, feature = np.concatenate(scores)[:n], np.concatenate(features)[:n]
    for name, values in zip(names, (score, feature[:, 0] + feature.sum(1))):
        if not np.isfinite(values).all():
            row = int((~np.isfinite(values)).argmax())
            raise InputError(
                f"component {name}: its output for {title}, recording {which[row]}, segment "
                f"{number[row]} isn't finite (expected finite values)"
            )
    return which, number, score, feature


def _check_shape(name: str, values: np.ndarray, n: int, *, rank: int) -> None:
    if values.ndim != rank or len(values) != n or values.size == 0:
        expected = f"[{n}] scores" if rank == 1 else f"[{n}, d] features"
        raise InputError(
            f"component {name}: apply returned shape {list(values.shape)} for {n} segments, "
            f"expected {expected}"
        )
