"""Every rule for the amount of smoothing on one draw of a cell: scores of the unlabelled items."""

import numpy as np
from jaxtyping import Float
from paper.cells import Cell, CellDraw
from scipy.stats import rankdata

from jax_dns.smoothing.adaptive import STRICT_GATE, AdaptiveChoice, gaussianise, smooth_adaptively
from jax_dns.smoothing.api import smooth_grid
from jax_dns.smoothing.separation import GATE

KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BASE, HALF, ADAPTIVE, STRICT, FUSION = "a_G", "half dose", "adaptive", "adaptive, gate 3", "fusion"


def fixed(k: int) -> str:
    """Returns the name of a fixed K."""
    return f"K = {k}"


def amounts(
    cell: Cell, rows: CellDraw
) -> tuple[dict[str, Float[np.ndarray, " m"]], AdaptiveChoice]:
    """Computes each rule's scores.

    Args:
      cell: the items.
      rows: the draw.

    Returns:
      Rule -> [m] scores of the unlabelled items, and the adaptive choice.
    """
    u, r = rows
    a, x = cell.score[u], cell.feature[u]
    ks = [k for k in KS if k <= len(u)]
    centred = (a - a.mean()) / (a.std() + 1e-30)  # float32 holds the digits that matter
    out = {BASE: a}
    grid = smooth_grid(np.stack([centred]).astype(np.float32)[0], x, ks)
    out |= {fixed(k): row for k, row in zip(ks, grid)}
    g = gaussianise(a)
    k = min(16, len(u))
    smoothed = smooth_grid(g, x, [k])[0]
    out[HALF] = g / 2 + (k * smoothed - g) / (k - 1) / 2
    chosen = smooth_adaptively(a, x, cell.score[r], cell.feature[r], gate=GATE)
    out[ADAPTIVE] = chosen.scores
    out[STRICT] = chosen.scores if chosen.ratio >= STRICT_GATE else a
    out[FUSION] = rankdata(a) + rankdata(cell.discriminative[u])
    return out, chosen
