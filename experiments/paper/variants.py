"""Variants of the rule with known normals: other candidates, another gate, other known normals."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from paper.amounts import KS
from paper.cells import Cell, CellDraw, draw

from jax_dns.smoothing import adaptive
from jax_dns.smoothing.adaptive import gaussianise
from jax_dns.smoothing.api import smooth_grid
from jax_dns.smoothing.separation import WEIGHTS, separations, standardise

GATED_FUSION, GATED_BOTH, PERMUTATION = "gated fusion", "gated both", "permutation gate"
PERMUTATIONS = 39


def gated_variants(
    cell: Cell, rows: CellDraw, *, permute: bool
) -> dict[str, Float[np.ndarray, " m"]]:
    """Computes the variants whose known normals are the cell's own.

    Args:
      cell: the items.
      rows: the draw.
      permute: whether to compute the permutation gate too.

    Returns:
      Variant -> [m] scores.
    """
    u, r = rows
    both, m = np.concatenate([u, r]), len(u)
    g, d = gaussianise(cell.score[both]), gaussianise(cell.discriminative[both])
    feature = cell.feature[both]
    ks = [k for k in adaptive.KS if k <= 2 * len(both) // 3]
    smoothed = adaptive.mix_candidates(g, smooth_grid(g, feature, ks), ks)
    own, other = standardise(jnp.asarray(g)[None]), standardise(jnp.asarray(d)[None])
    fused = jnp.concatenate([w * own + (1 - w) * other for w in (*WEIGHTS, 0.0)])
    refused = adaptive.guard_value(cell.feature[u], cell.feature[r]) < adaptive.MIN_MIX

    def gated(candidates) -> np.ndarray:
        chosen, _ = adaptive.choose(*separations(candidates, n_unlabelled=m))
        return np.asarray(candidates[0 if refused else chosen, :m])

    out = {
        GATED_FUSION: gated(jnp.concatenate([own, fused])),
        GATED_BOTH: gated(jnp.concatenate([smoothed, fused])),
    }
    if permute:
        out[PERMUTATION] = np.asarray(
            smoothed[_permutation_choice(g, feature, ks, smoothed, m), :m]
        )
    return out


def _permutation_choice(g: np.ndarray, feature: np.ndarray, ks: list[int], smoothed, m: int) -> int:
    """Returns the adaptive choice where no permutation of the scores separates as well."""
    rng = np.random.default_rng(0)
    chosen, ratio = adaptive.choose(*separations(smoothed, n_unlabelled=m), gate=0.0)
    for _ in range(PERMUTATIONS):
        mixed = rng.permutation(g)
        candidates = adaptive.mix_candidates(mixed, smooth_grid(mixed, feature, ks), ks)
        if adaptive.choose(*separations(candidates, n_unlabelled=m), gate=0.0)[1] >= ratio:
            return 0
    return chosen


def transferred(
    cells: Sequence[Cell], number: int, rows: CellDraw, seed: int
) -> dict[str, Float[np.ndarray, " m"]]:
    """Computes what a target cell gets from the source domain of its section.

    Args:
      cells: all cells.
      number: of the cell.
      rows: its draw.
      seed: of the draw.

    Returns:
      Variant -> [m] scores; nothing for cells without a source domain beside them.
    """
    cell = cells[number]
    if not cell.machine.endswith("target"):
        return {}
    beside = next(
        other
        for other in cells
        if (other.system, other.cluster) == (cell.system, cell.cluster)
        and other.machine == cell.machine.removesuffix("target") + "source"
    )
    theirs = draw(beside, None, np.random.default_rng([number, seed]))
    u = rows.unlabelled
    x, a = cell.feature[u], cell.score[u]
    known = beside.score[theirs.known], beside.feature[theirs.known]
    choice = adaptive.smooth_adaptively(
        beside.score[theirs.unlabelled], beside.feature[theirs.unlabelled], *known
    )
    by_choice = a
    if choice.k > 1 and choice.k <= len(u):
        g = gaussianise(a)
        grid = smooth_grid(g, x, [k for k in KS if 2 <= k <= len(u)])
        smoothed = grid[[k for k in KS if 2 <= k <= len(u)].index(choice.k)]
        mean = standardise(jnp.asarray(((choice.k * smoothed - g) / (choice.k - 1))[None]))[0]
        own = standardise(jnp.asarray(g)[None])[0]
        by_choice = np.asarray(choice.weight * own + (1 - choice.weight) * mean)
    by_normals = adaptive.smooth_adaptively(a, x, *known).scores
    return {"source's choice": by_choice, "source's normals": by_normals}
