"""Eq. 7 where a segment's neighbours are of other clips.

The paper leaves only the item itself out. Seven overlapping segments of one recording lie near each
other, so that a small K may average over little else; this is the other reading, for segments.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.smoothing.api import smooth_blocks
from jax_dns.smoothing.validation import validate_inputs

BLOCK = 256  # queries at once: 3 MB of distances to the 2,800 segments of a section


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
      InputError: what `smooth_grid` refuses, and a K beyond `1 + other_clip_counts(...).min()`.
    """
    problem = validate_inputs(scores, features, ks, groups=groups, pool=pool, metric=metric)
    counts = other_clip_counts(clip, groups, pool)
    row = int(counts.argmin())
    if max(problem.ks) > 1 + counts[row]:
        raise InputError(
            f"k: {max(problem.ks)}, expected at most {1 + counts[row]}: "
            f"item {row} has {counts[row]} candidates in other clips"
        )
    out = np.empty((len(problem.ks), len(scores)), scores.dtype)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        here = problem.scores[rows], problem.features[rows]
        one_group = jnp.zeros(len(rows), jnp.int32)
        own = jnp.asarray(np.unique(clip[rows], return_inverse=True)[1], jnp.int32)
        out[:, rows] = smooth_blocks(
            *here,
            one_group,
            jnp.asarray(pool[rows]),
            *here,
            one_group,
            own,
            own,
            ks=problem.ks,
            metric=metric,
            block=min(len(rows), BLOCK),
        )
    return out


def other_clip_counts(
    clip: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"], pool: Bool[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """How many candidates each item has in other clips: its group's pool less its own clip's."""

    def in_pool(of: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        inverse = np.unique(of, return_inverse=True)[1]
        return np.bincount(inverse, weights=pool)[inverse].astype(int)

    both = np.unique(np.stack([groups, clip]), axis=1, return_inverse=True)[1]
    return in_pool(groups) - in_pool(both.reshape(-1))
