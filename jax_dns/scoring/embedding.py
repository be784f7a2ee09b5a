"""a_G and f_D of every segment: the two parallel paths of Fig. 2, as one pass over recordings."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int
from tqdm import tqdm

from jax_dns.data.audio import AudioStore
from jax_dns.data.segments import cut, segment_table


def score_and_embed(
    recordings: Sequence[tuple[AudioStore, int]],
    generative: Callable[[Array], Float[Array, " b"]],
    discriminative: Callable[[Array], Float[Array, "b d"]],
    *,
    segment: int,
    hop: int,
    batch_size: int,
    title: str = "embed",
) -> tuple[
    Int[np.ndarray, " m"], Int[np.ndarray, " m"], Float[np.ndarray, " m"], Float[np.ndarray, "m d"]
]:
    """Scores and embeds all segments of some recordings.

    Args:
      recordings: pairs of a store and a row in it.
      generative: waveforms [b, t] -> a_G [b].
      discriminative: waveforms [b, t] -> f_D [b, d].
      segment: samples.
      hop: samples between segments.
      batch_size: segments given to the functions at a time; the last batch is filled up.
      title: of the progress bar.

    Returns:
      Of each segment: the number of its recording, its own number within it, score and feature.
    """
    lengths = np.asarray([store.length[row] for store, row in recordings])
    which, number = segment_table(lengths, segment=segment, hop=hop)
    pending: list[tuple[Any, Any]] = []
    scores, features = [], []
    with tqdm(total=len(which), desc=title, unit="segment", disable=None, leave=False) as bar:
        for first in range(0, len(which), batch_size):
            rows = np.minimum(np.arange(first, first + batch_size), len(which) - 1)
            audio = cut([recordings[i] for i in which[rows]], number[rows] * hop, segment=segment)
            pending.append((generative(audio), discriminative(audio)))
            # One batch in flight while the next is read.
            if len(pending) > 1:
                _collect(pending.pop(0), scores, features)
            bar.update(min(batch_size, len(which) - first))
        for batch in pending:
            _collect(batch, scores, features)
    n = len(which)
    return which, number, np.concatenate(scores)[:n], np.concatenate(features)[:n]


def _collect(batch: tuple[Any, Any], scores: list, features: list) -> None:
    scores.append(np.asarray(batch[0], np.float32))
    features.append(np.asarray(batch[1], np.float32))
