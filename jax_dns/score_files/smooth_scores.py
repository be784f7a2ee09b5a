"""Eq. 7 on the joined scores and features of one machine type."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.score_files.select_k import SelectedK, best_k
from jax_dns.segments_file import Clips, Segments, clip_mean, clips_of
from jax_dns.smoothing.api import smooth_grid
from jax_dns.smoothing.validation import candidate_counts


class SmoothedScores(NamedTuple):
    """Clip scores of one machine type, before and after smoothing."""

    clips: Clips
    before: Float[np.ndarray, " c"]
    after: dict[int, Float[np.ndarray, " c"]]  # K -> clip scores
    selected: SelectedK | None  # how K was chosen; None if it was given


def smooth_scores(
    rows: Segments,
    ks: Sequence[int] | None,
    *,
    groups: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    metric: str = "euclidean",
    sections: Sequence[int] | None = None,
    pooled: bool = True,
) -> SmoothedScores:
    """Smooths the scores of one machine type, with given Ks or the best by labels.

    Args:
      rows: scores with features.
      ks: the Ks; None: the best of all powers of two, see `select_k.best_k`.
      groups: [n] neighbours are of the same group.
      pool: [n] which rows may be neighbours.
      metric: see `smooth`.
      sections: see `select_k.best_k`.
      pooled: see `metrics.summary`.

    Raises:
      InputError: a K that some row has too few neighbours for, or no labels to choose K by.
    """
    largest, why = largest_k(rows, groups=groups, pool=pool)
    grid_ks = [2**i for i in range(largest.bit_length())] if ks is None else list(ks)
    if max(grid_ks) > largest:
        raise InputError(f"--k: {max(grid_ks)}, expected at most {largest}: {why}")
    clips, grid = smooth_clips(rows, grid_ks, groups=groups, pool=pool, metric=metric)
    before = clip_mean(clips, rows.score)
    after = dict(zip(grid_ks, grid))
    if ks is not None:
        return SmoothedScores(clips, before, after, None)
    selected = best_k(clips, grid_ks, grid, sections=sections, pooled=pooled)
    return SmoothedScores(clips, before, {selected.k: after[selected.k]}, selected)


def largest_k(
    segments: Segments, *, groups: Int[np.ndarray, " n"], pool: Bool[np.ndarray, " n"]
) -> tuple[int, str]:
    """Returns the largest K that every row has neighbours for, and why it is no larger."""
    counts = candidate_counts(groups, pool, groups, pool)
    row = int(counts.argmin())
    return 1 + int(counts[row]), f"{segments.clip[row]} has {counts[row]} candidates"


def smooth_clips(
    segments: Segments,
    ks: Sequence[int],
    *,
    groups: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    metric: str = "euclidean",
) -> tuple[Clips, Float[np.ndarray, "k c"]]:
    """Smooths the rows among themselves, then averages over each clip's.

    Args:
      segments: rows of one machine type.
      ks: the Ks.
      groups: [n] neighbours are of the same group.
      pool: [n] which rows may be neighbours.
      metric: see `smooth`.

    Returns:
      The clips, and [len(ks), c] float64 clip scores. K = 1 gives the scores bit for bit.

    Raises:
      InputError: see `smooth`.
    """
    clips, score = clips_of(segments), segments.score
    # Smoothing works in float32. Eq. 7 is a mean, so scores may be shifted and scaled before it:
    # log-likelihoods that differ in their last digits would lose these.
    centre = score.mean()
    spread = np.abs(score - centre).max() or 1.0
    grid = smooth_grid(
        (score - centre) / spread,
        segments.feature,
        list(ks),
        groups=np.unique(groups, return_inverse=True)[1],
        pool=pool,
        metric=metric,
    )
    out = [score if k == 1 else centre + spread * row for k, row in zip(ks, grid)]
    return clips, np.stack([clip_mean(clips, row) for row in out])
