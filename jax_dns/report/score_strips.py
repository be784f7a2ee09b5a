"""Segment scores over time, for clips longer than the page plays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

MOST = 120  # cells of a strip
RANGE = (2, 98)  # percentiles of the machine type's scores that the shades span


class ScoreStrip(NamedTuple):
    """Scores of one clip over time, as shades from 0 (least anomalous) to 100."""

    seconds: float  # of the clip
    before: Sequence[int]
    after: Sequence[int]  # empty if segments were not smoothed


def score_strip(
    before: Float[np.ndarray, " n"],
    after: Float[np.ndarray, " n"] | None,
    *,
    seconds: float,
    ranges: Sequence[tuple[float, float]],
) -> ScoreStrip:
    """Shades the segment scores of one clip.

    Args:
      before: [n] scores before smoothing, in order of time.
      after: [n] scores after smoothing, or None.
      seconds: length of the clip, s.
      ranges: lowest and highest score that the shades span, before and after smoothing.
    """
    shades = [
        [] if values is None else _shades(values, *limits)
        for values, limits in zip((before, after), ranges)
    ]
    return ScoreStrip(seconds, *shades)


def _shades(values: Float[np.ndarray, " n"], low: float, high: float) -> list[int]:
    """Returns shades of at most MOST cells, each of the highest score of its segments."""
    cells = np.array_split(values, min(len(values), MOST))
    peaks = np.asarray([cell.max() for cell in cells])
    shades = 100 * (peaks - low) / max(high - low, 1e-12)
    return np.clip(shades, 0, 100).round().astype(int).tolist()
