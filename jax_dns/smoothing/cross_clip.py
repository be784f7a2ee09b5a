"""Eq. 7 with neighbours from other clips only.

The paper excludes only the item itself. Seven overlapping segments of one recording lie near each
other, so the mean over a small K may contain little else; this is the other reading of Eq. 7.
"""

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.smoothing.partition import bucket, pad_rows
from jax_dns.smoothing.reference import smooth_blocks
from jax_dns.smoothing.score_scale import fit_score_scale, scale_scores, unscale_scores
from jax_dns.smoothing.validation import candidate_counts, validate_inputs

BLOCK = 256  # queries: 3 MB of distances to the 2,800 segments of a section


def smooth_other_clips(
    scores: Float[np.ndarray, " n"],
    features: Float[np.ndarray, "n d"],
    ks: tuple[int, ...] | list[int],
    *,
    clip: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    metric: str = "euclidean",
) -> Float[np.ndarray, "k n"]:
    """Smooths over neighbours of the same group, in the pool, and of another clip.

    Args:
      scores: [n] a_G.
      features: [n, d] f_D.
      ks: the Ks, the item itself counted.
      clip: [n] each item's clip.
      groups: [n] neighbours are of the same group.
      pool: [n] which items may be neighbours.
      metric: "euclidean" or "cosine".

    Returns:
      [len(ks), n], rows in the order of `ks`, in the type of `scores`.

    Raises:
      InputError: arguments that `smooth_grid` refuses, or a K larger than
        `1 + other_clip_counts(...).min()`.
    """
    inputs = validate_inputs(scores, features, ks, groups=groups, pool=pool, metric=metric)
    counts = other_clip_counts(clip, groups, pool)
    row = int(counts.argmin())
    if max(inputs.ks) > 1 + counts[row]:
        raise InputError(
            f"k: {max(inputs.ks)}, expected at most {1 + counts[row]}: "
            f"item {row} has {counts[row]} candidates in other clips"
        )
    real = jax.dtypes.canonicalize_dtype(np.float64)
    scale = fit_score_scale(scores.astype(np.float64))
    scaled = scale_scores(scores.astype(np.float64), scale).astype(real)
    clip_number = np.unique(clip, return_inverse=True)[1].astype(np.int32)
    out = np.empty((len(inputs.ks), len(scores)), scores.dtype)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        # Padded, so that sections of similar size share a program.
        padded = pad_rows(rows, bucket(len(rows)))
        in_pool = pool[padded] & (np.arange(len(padded)) < len(rows))
        one_group = np.zeros(len(padded), np.int32)
        items = scaled[padded], features[padded].astype(real)
        identity = clip_number[padded]
        means = smooth_blocks(
            *items,
            one_group,
            in_pool,
            *items,
            one_group,
            identity,
            identity,
            ks=inputs.ks,
            metric=metric,
            block=min(len(padded), BLOCK),
        )
        out[:, rows] = unscale_scores(np.asarray(means, np.float64)[:, : len(rows)], scale)
    out[np.asarray(inputs.ks) == 1] = scores
    return out


def other_clip_counts(
    clip: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"], pool: Bool[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Counts each item's candidates in other clips: its group's pool without its own clip's."""

    def pool_size(label: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        inverse = np.unique(label, return_inverse=True)[1]
        return np.bincount(inverse, weights=pool)[inverse].astype(int)

    group_and_clip = np.unique(np.stack([groups, clip]), axis=1, return_inverse=True)[1]
    return pool_size(groups) - pool_size(group_and_clip.reshape(-1))


def largest_k(
    groups: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    *,
    clip: Int[np.ndarray, " n"] | None = None,
) -> int:
    """Returns the largest K that every item has neighbours for.

    Args:
      groups: [n] neighbours are of the same group.
      pool: [n] which items may be neighbours.
      clip: [n] each item's recording, of which none of its neighbours may be; None: they may.
    """
    if clip is None:
        return 1 + int(candidate_counts(groups, pool, groups, pool).min())
    return 1 + int(other_clip_counts(clip, groups, pool).min())
