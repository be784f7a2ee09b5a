"""Variants of the rule with known normals: other candidates, other known normals, no test."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from paper.cells import Cell, CellDraw, draw

from jax_dns.smoothing.adaptive import (
    FEWEST_KNOWN,
    KS,
    LEVEL,
    MIN_MIX,
    gaussianise,
    guard_value,
    smooth_adaptively,
)
from jax_dns.smoothing.api import smooth_grid
from jax_dns.smoothing.separation import WEIGHTS, choose, permutation_p_value, separations

UNTESTED, FINE, GATED_FUSION, GATED_BOTH = "no test", "19 weights", "gated fusion", "gated both"
POOLED = "8 known a section, pooled"
CHOICE, NORMALS = "source's choice", "source's normals"
TRANSFERS = (CHOICE, NORMALS)
FINE_WEIGHTS = tuple(np.arange(19, 0, -1) / 20)
FEW = 8  # known normals of each section that are pooled
OWN_SPACES = ("MIMII fan", "ToyCar")  # sources whose clusters have feature spaces of their own


def gated_variants(cell: Cell, rows: CellDraw) -> dict[str, Float[np.ndarray, " m"]]:
    """Computes the variants whose known normals are the cell's own.

    Args:
      cell: the items.
      rows: the draw.

    Returns:
      Variant -> [m] scores.
    """
    u, r = rows
    both, m = np.concatenate([u, r]), len(u)
    g, d = gaussianise(cell.score[both]), gaussianise(cell.discriminative[both])
    feature = cell.feature[both]
    ks = [k for k in KS if k <= 2 * len(both) // 3]
    own, other = _standardise(g), _standardise(d)
    means = neighbour_means(g, feature, ks)
    fused = np.stack([w * own + (1 - w) * other for w in (*WEIGHTS, 0.0)])
    passed = permutation_p_value(g, feature, ks, n_unlabelled=m) <= LEVEL
    refused = guard_value(cell.feature[u], cell.feature[r]) < MIN_MIX or len(r) < FEWEST_KNOWN

    def smoothed(weights: Sequence[float]) -> np.ndarray:
        w = np.asarray(weights)[:, None]
        return np.concatenate([w * own + (1 - w) * mean for mean in means])

    def gated(candidates: np.ndarray) -> np.ndarray:
        candidates = np.concatenate([own[None], candidates]).astype(np.float32)
        chosen, _ = choose(*separations(candidates, n_unlabelled=m))
        return candidates[0 if refused else chosen, :m]

    coarse = smoothed(WEIGHTS)
    return {
        UNTESTED: gated(coarse),
        FINE: gated(smoothed(FINE_WEIGHTS)) if passed else own[:m],
        GATED_FUSION: gated(fused),
        GATED_BOTH: gated(np.concatenate([coarse, fused]) if passed else fused),
    }


def pooled_normals(
    cells: Sequence[Cell], number: int, rows: CellDraw, seed: int
) -> dict[str, Float[np.ndarray, " m"]]:
    """Computes the rule with few known normals of each of the machine's sections, together.

    Args:
      cells: all cells.
      number: of the cell.
      rows: its draw.
      seed: of the draw.

    Returns:
      Variant -> [m] scores; nothing for cells whose sections don't share a feature space.
    """
    cell = cells[number]
    if cell.source in OWN_SPACES:
        return {}
    rng = np.random.default_rng([number, seed])
    known = [(cell, rows.known)]
    for other in cells:
        same = (other.source, other.system, other.machine)
        if same == (cell.source, cell.system, cell.machine) and other.cluster != cell.cluster:
            theirs = draw(other, None, rng)
            known += [(other, theirs.known)] if theirs else []
    known = [(one, rng.permutation(normals)[:FEW]) for one, normals in known]
    score, feature = (
        np.concatenate([getattr(one, name)[normals] for one, normals in known])
        for name in ("score", "feature")
    )
    u = rows.unlabelled
    return {POOLED: smooth_adaptively(cell.score[u], cell.feature[u], score, feature).scores}


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
    choice = smooth_adaptively(
        beside.score[theirs.unlabelled], beside.feature[theirs.unlabelled], *known
    )
    by_choice = a
    if 1 < choice.k <= len(u):
        g = gaussianise(a)
        mean = neighbour_means(g, x, [choice.k])[0]
        by_choice = choice.weight * _standardise(g) + (1 - choice.weight) * mean
    return {CHOICE: by_choice, NORMALS: smooth_adaptively(a, x, *known).scores}


def neighbour_means(
    g: Float[np.ndarray, " n"], features: Float[np.ndarray, "n d"], ks: Sequence[int]
) -> Float[np.ndarray, "k n"]:
    """Returns the standardised means over the K - 1 nearest, for each K."""
    grid = smooth_grid(g, features, ks)
    return np.stack([_standardise((k * row - g) / (k - 1)) for k, row in zip(ks, grid)])


def _standardise(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() + 1e-12)
