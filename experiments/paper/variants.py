"""Variants of the rule with known normals: other candidates, other known normals, no test."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from paper.cells import Cell, CellDraw, draw
from paper.rules_on_draws import (
    choose,
    is_refused,
    mix_scores,
    mixtures,
    neighbour_means,
    neighbourhood,
    p_value,
    separation,
    standardise,
)

from jax_dns.smoothing.adaptive import LEVEL
from jax_dns.smoothing.separation import GATE

UNTESTED, FINE, GATED_FUSION = "no test", "19 weights", "gated fusion"
POOLED = "8 known a section, pooled"
CHOICE, NORMALS = "source's choice", "source's normals"
TRANSFERS = (CHOICE, NORMALS)
FINE_WEIGHTS = tuple(np.arange(19, 0, -1) / 20)
FEW = 8  # known normals of each section that are pooled
OWN_SPACES = ("MIMII fan", "ToyCar", "UAV")  # a feature space for each cluster


def gated_variants(cell: Cell, rows: CellDraw) -> dict[str, Float[np.ndarray, " m"]]:
    """Computes the variants whose known normals are the cell's own: see the module."""
    both = np.concatenate(rows)
    items = neighbourhood(cell.score[both], cell.feature[both], len(rows.unlabelled))
    fused = mix_scores(items, cell.discriminative[both])
    coarse, m, refused = mixtures(items)[0], items.n_unlabelled, is_refused(items)

    def gated(candidates: np.ndarray) -> np.ndarray:
        chosen, ratio = separation(candidates, m)
        return candidates[0 if refused or ratio < GATE else chosen, :m]

    fine = mixtures(items, FINE_WEIGHTS)[0]
    return {
        UNTESTED: gated(coarse),
        FINE: gated(fine) if p_value(items) <= LEVEL else coarse[0, :m],
        GATED_FUSION: gated(np.concatenate([coarse[:1], fused])),
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
    return {POOLED: _choose_by(cell, rows.unlabelled, known).scores}


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
    cell, u = cells[number], rows.unlabelled
    if not cell.machine.endswith("target"):
        return {}
    beside = next(
        other
        for other in cells
        if (other.system, other.cluster) == (cell.system, cell.cluster)
        and other.machine == cell.machine.removesuffix("target") + "source"
    )
    theirs = draw(beside, None, np.random.default_rng([number, seed]))
    choice = _choose_by(beside, theirs.unlabelled, [(beside, theirs.known)])
    by_choice = cell.score[u]
    if 1 < choice.k <= len(u):
        items = neighbourhood(cell.score[u], cell.feature[u], len(u))
        mean = standardise(neighbour_means(items.g, items.near, [choice.k])[0])
        by_choice = choice.weight * standardise(items.g) + (1 - choice.weight) * mean
    return {CHOICE: by_choice, NORMALS: _choose_by(cell, u, [(beside, theirs.known)]).scores}


def _choose_by(cell: Cell, unlabelled: np.ndarray, known: Sequence[tuple[Cell, np.ndarray]]):
    """Chooses for some of a cell's items by known normals of one or several cells."""
    score, feature = (
        np.concatenate([getattr(c, name)[rows] for c, rows in [(cell, unlabelled), *known]])
        for name in ("score", "feature")
    )
    return choose(neighbourhood(score, feature, len(unlabelled)))
