"""Eq. 7 where a segment's neighbours are of other clips.

The paper leaves only the item itself out. Seven overlapping segments of one recording lie near each
other, so that a small K may average over little else; this is the other reading, for segments.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.errors import InputError
from jax_dns.scoring.checks import check_problem
from jax_dns.scoring.neighbors import Queries, block_distances, embed, items_of
from jax_dns.typing import ArrayLike

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
    problem = check_problem(scores, features, ks, groups=groups, pool=pool, metric=metric)
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
        out[:, rows] = _smooth_group(
            problem.scores[rows], problem.features[rows], jnp.asarray(pool[rows]),
            jnp.asarray(np.unique(clip[rows], return_inverse=True)[1], jnp.int32),
            ks=problem.ks, metric=metric,
        )  # fmt: skip
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


@functools.partial(jax.jit, static_argnames=("ks", "metric"))
def _smooth_group(
    scores: Float[Array, " n"],
    features: Float[Array, "n d"],
    pool: Bool[Array, " n"],
    clip: Int[Array, " n"],
    *,
    ks: tuple[int, ...],
    metric: str,
) -> Float[ArrayLike, "k n"]:
    """Distances, top-k, gather, running means, a block of rows at a time."""
    n, others = len(scores), max(ks) - 1
    if others == 0:
        return jnp.broadcast_to(scores[None], (len(ks), n))
    features = embed(features, metric)
    features = features - features.mean(0, keepdims=True)
    items = items_of(features, jnp.zeros(n, jnp.int32), pool)

    def one_block(queries: tuple[Array, Array, Array]) -> Array:
        a_query, block, own_clip = queries
        everyone = jnp.zeros(len(a_query), jnp.int32)
        distances = block_distances(Queries(block, everyone, everyone - 1), items)
        distances = jnp.where(own_clip[:, None] == clip[None, :], jnp.inf, distances)
        nearest = jax.lax.top_k(-distances, others)[1]
        sums = jnp.cumsum(jnp.concatenate([a_query[:, None], scores[nearest]], axis=1), axis=1)
        return sums[:, jnp.asarray(ks) - 1] / jnp.asarray([ks], sums.dtype)

    size = min(n, BLOCK)

    def blocks(x: Array) -> Array:
        padded = jnp.pad(x, [(0, -n % size)] + [(0, 0)] * (x.ndim - 1))
        return padded.reshape(-1, size, *x.shape[1:])

    out = jax.lax.map(one_block, (blocks(scores), blocks(features), blocks(clip)))
    return out.reshape(-1, len(ks))[:n].T
