"""Smoothing rules: Eq. 7's plain mean, as a component."""

import numpy as np

from jax_dns.errors import InputError
from jax_dns.smoothing.api import smooth_grid
from jax_dns.smoothing.cross_clip import largest_k, smooth_other_clips
from jax_dns.smoothing.feature_space import METRICS
from jax_dns.types import Facts, Setting, SmoothingRule


def uniform(
    facts: Facts,
    *,
    ks: tuple[int, ...] = tuple(2**i for i in range(12)),
    metric: str = "euclidean",
    same_clip: bool = True,
) -> SmoothingRule:
    """Builds the paper's rule, Eq. 7: the mean of an item's score and its K - 1 nearest.

    Args:
      facts: of the data; not used.
      ks: the Ks to choose from, in order of preference.
      metric: "euclidean" or "cosine".
      same_clip: whether a segment's neighbours may be of its own clip.

    Returns:
      The rule.

    Raises:
      InputError: an unknown metric, or Ks that aren't whole numbers of at least 1.
    """
    if metric not in METRICS:
        raise InputError(f"metric: {metric!r}, expected {' or '.join(METRICS)}")
    if not ks or not all(type(k) is int and k >= 1 for k in ks):
        raise InputError(f"ks: {ks!r}, expected whole numbers, 1 or more")

    def smooth(scores, features, *, groups, pool, clip) -> dict[Setting, np.ndarray]:
        largest = largest_k(groups, pool, clip=None if same_clip else clip)
        usable = [k for k in ks if k <= largest]
        if not usable:
            return {}
        options = dict(groups=groups, pool=pool, metric=metric)
        if same_clip:
            rows = smooth_grid(scores, features, usable, **options)
        else:
            rows = smooth_other_clips(scores, features, usable, clip=clip, **options)
        return dict(zip(usable, rows))

    return SmoothingRule("Proposed", "K", tuple(ks), smooth)
