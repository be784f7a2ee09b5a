"""Smoothing by an amount other than Eq. 7's on the joined scores of one machine type."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from jax_dns.errors import InputError, first_three
from jax_dns.score_files.smooth_scores import SmoothedScores, largest_k
from jax_dns.segments_file import Segments, clip_mean, clips_of
from jax_dns.smoothing.adaptive import AdaptiveChoice, smooth_groups_adaptively
from jax_dns.smoothing.dose import smooth_dose

ADAPTIVE = 0  # stands for K where each group has its own


def with_known_normals(scores: Segments, known: Segments) -> Segments:
    """Appends the rows of known normals to those that are to be smoothed.

    Raises:
      InputError: a clip is among both; the first three.
    """
    both = np.intersect1d(scores.clip, known.clip)
    if len(both):
        raise InputError(
            f"--known-normals: {first_three(both)} of --scores too (expected normal clips apart "
            "from those that are smoothed)"
        )
    return Segments(*(np.concatenate(columns) for columns in zip(scores, known)))


def smooth_scores_adaptively(
    rows: Segments,
    is_known: Bool[np.ndarray, " n"],
    *,
    groups: Int[np.ndarray, " n"],
    gate: float,
    metric: str = "euclidean",
) -> tuple[SmoothedScores, dict[int, AdaptiveChoice]]:
    """Smooths clips by the amount that known normals choose for each group.

    Args:
      rows: a row a clip, with features.
      is_known: [n] which are known normals.
      groups: [n] a choice is made, and neighbours are found, within a group.
      gate: see `smooth_adaptively`.
      metric: see `smooth`.

    Returns:
      Scores of the clips that aren't known normals, and each group's choice.

    Raises:
      InputError: see `smooth_adaptively`.
    """
    scored, known = rows.where(~is_known), rows.where(is_known)
    smoothed, choices = smooth_groups_adaptively(
        scored.score,
        scored.feature,
        groups[~is_known],
        known.score,
        known.feature,
        groups[is_known],
        gate=gate,
        metric=metric,
    )
    result = SmoothedScores(clips_of(scored), scored.score, {ADAPTIVE: smoothed}, None)
    return result, choices


def smooth_scores_by_dose(
    rows: Segments,
    ks: Sequence[int],
    dose: float,
    *,
    groups: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    metric: str = "euclidean",
) -> SmoothedScores:
    """Smooths by a dose of the neighbours' mean, then averages over each clip's rows.

    Args:
      rows: scores with features.
      ks: the Ks, 2 or more.
      dose: weight of the neighbours' mean, 0 to 1; 0.5 is the half dose.
      groups: [n] neighbours are of the same group.
      pool: [n] which rows may be neighbours.
      metric: see `smooth`.

    Raises:
      InputError: a K or dose out of range.
    """
    largest, why = largest_k(rows, groups=groups, pool=pool)
    if not 2 <= min(ks) <= max(ks) <= largest:
        raise InputError(f"--k: {list(ks)} with --dose, expected 2 to {largest}: {why}")
    clips = clips_of(rows)
    groups = np.unique(groups, return_inverse=True)[1]
    after = {
        k: clip_mean(
            clips,
            smooth_dose(
                rows.score,
                rows.feature,
                k,
                weight=1 - dose,
                groups=groups,
                pool=pool,
                metric=metric,
            ),
        )
        for k in ks
    }
    return SmoothedScores(clips, clip_mean(clips, rows.score), after, None)
