"""Looks back over a section's clips with Eq. 7, where that separates them from known normals."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jax_dns.monitor.history import History
from jax_dns.monitor.known_normals import KnownNormals
from jax_dns.segments_file import Clips, clip_mean, clip_scores
from jax_dns.smoothing.adaptive import AdaptiveChoice, smooth_adaptively

MOST_CLIPS = 1024  # the last ones
FEWEST_CLIPS = 16


class LookBack(NamedTuple):
    """A section's last clips, smoothed together."""

    number: Int[np.ndarray, " c"]  # of the clips, in the history
    name: Shaped[np.ndarray, " c"]
    scores: Float[np.ndarray, " c"]  # the adaptive rule's
    choice: AdaptiveChoice


def look_back(
    history: History, machine: str, section: int, known: KnownNormals, aggregate: str
) -> LookBack | None:
    """Smooths a section's live clips by the amount that its known normals choose.

    A first fault has normal neighbours, and smoothing averages it away: the adaptive rule keeps
    a_G. Once there are several faults the rule finds that smoothing separates the clips from the
    known normals, and the highest smoothed scores are those of the faults.

    Args:
      history: open.
      machine: the machine type.
      section: product ID.
      known: its known normals.
      aggregate: how a clip's segment scores become its score, see `clip_scores`.

    Returns:
      The last clips; None where there are too few.
    """
    items = history.smoothed(machine, section)
    numbers, first, row = np.unique(items.number, return_index=True, return_inverse=True)
    if len(numbers) < FEWEST_CLIPS:
        return None
    # A power of two, so that few programs are compiled.
    last = slice(-min(MOST_CLIPS, 2 ** int(np.log2(len(numbers)))), None)
    blank = np.zeros(len(numbers), np.int32)
    clips = Clips(items.clip[first], blank, items.clip[first], blank, row)
    scores = clip_scores(clips, items.score, aggregate)[last]
    features = clip_mean(clips, history.live_features(machine, section))[last]
    choice = smooth_adaptively(
        scores,
        features.astype(np.float32),
        known.scores[: len(known.features)],
        known.features.astype(np.float32),
    )
    return LookBack(numbers[last], clips.name[last], np.asarray(choice.scores), choice)
