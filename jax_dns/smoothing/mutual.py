"""Eq. 7 over mutual neighbours: those that have the item among their own nearest, too."""

import numpy as np

from jax_dns.smoothing.neighbor_blocks import (
    check_options,
    make_items,
    neighbor_blocks,
    usable_ks,
)
from jax_dns.types import Facts, Setting, SmoothingRule

SLACK = 1e-5  # relative: two items' distance is rounded differently from either side


def mutual(
    facts: Facts,
    *,
    ks: tuple[int, ...] = tuple(2**i for i in range(12)),
    metric: str = "euclidean",
    same_clip: bool = True,
) -> SmoothingRule:
    """Builds the rule: the mean of an item's score and those of its mutual neighbours.

    Neighbour j of item i, one of i's K - 1 nearest, is mutual where i lies no farther from j than
    j's own K - 1 nearest candidates do. So an item outside the pool has mutual neighbours too.

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
    check_options(metric, ks)
    options = dict(metric=metric, same_clip=same_clip)

    def smooth(scores, features, *, groups, pool, clip) -> dict[Setting, np.ndarray]:
        items = make_items(scores, features, groups=groups, pool=pool, clip=clip, **options)
        usable = usable_ks(ks, items, same_clip=same_clip)
        smoothed = {k: scores.copy() for k in usable}
        larger = [k for k in usable if k > 1]
        if not larger:
            return smoothed
        radius = np.empty((len(larger), len(scores)), np.float32)
        for block in neighbor_blocks(items, max(larger) - 1):
            radius[:, block.rows] = block.squared[:, np.asarray(larger) - 2].T
        for block in neighbor_blocks(items, max(larger) - 1):
            neighbor_scores = scores[block.neighbors]
            for k, radii in zip(larger, radius):
                near = block.neighbors[:, : k - 1]
                is_mutual = block.squared[:, : k - 1] <= radii[near] * (1 + SLACK)
                total = scores[block.rows] + (is_mutual * neighbor_scores[:, : k - 1]).sum(1)
                smoothed[k][block.rows] = total / (1 + is_mutual.sum(1))
        return smoothed

    return SmoothingRule("Mutual", "K", tuple(ks), smooth)
