"""Variants of the rule with known normals: other candidates, other known normals, no test."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from paper.cells import Cell, CellDraw, draw
from paper.rules_on_draws import (
    Neighbourhood,
    choose,
    guard,
    mixtures,
    neighbour_means,
    neighbourhood,
    p_value,
    separation,
    standardise,
)

from jax_dns.smoothing.adaptive import FEWEST_KNOWN, LEVEL, MIN_MIX, gaussianise
from jax_dns.smoothing.separation import GATE, WEIGHTS

UNTESTED, FINE = "no test", "19 weights"
GATED_FUSION, GATED_BOTH = "gated fusion", "adaptive or fusion"
POOLED = "8 known a section, pooled"
CHOICE, NORMALS = "source's choice", "source's normals"
TRANSFERS = (CHOICE, NORMALS)
FINE_WEIGHTS = tuple(np.arange(19, 0, -1) / 20)
FEW = 8  # known normals of each section that are pooled
OWN_SPACES = ("MIMII fan", "ToyCar")  # sources whose clusters have feature spaces of their own


def adaptive_or_fusion(cell: Cell, rows: CellDraw) -> Float[np.ndarray, " m"]:
    """Takes the better of a_G, smoothing and mixtures with a discriminative score, under the gate.

    Args:
      cell: the items.
      rows: the draw.

    Returns:
      [m] scores of the unlabelled items.
    """
    items, fused = _prepare(cell, rows)
    m, (coarse, _) = items.n_unlabelled, mixtures(items)
    chosen, ratio = separation(np.concatenate([coarse, fused]), m)
    if ratio < GATE or _is_refused(items):
        chosen = 0
    elif chosen < len(coarse) and p_value(items) > LEVEL:
        chosen, ratio = separation(np.concatenate([coarse[:1], fused]), m)
        chosen = chosen + len(coarse) - 1 if chosen and ratio >= GATE else 0
    return np.concatenate([coarse, fused])[chosen, :m]


def gated_variants(cell: Cell, rows: CellDraw) -> dict[str, Float[np.ndarray, " m"]]:
    """Computes the variants whose known normals are the cell's own: see `adaptive_or_fusion`."""
    items, fused = _prepare(cell, rows)
    coarse, m, refused = mixtures(items)[0], items.n_unlabelled, _is_refused(items)

    def gated(candidates: np.ndarray) -> np.ndarray:
        chosen, ratio = separation(candidates, m)
        return candidates[0 if refused or ratio < GATE else chosen, :m]

    fine = mixtures(items, FINE_WEIGHTS)[0]
    return {
        UNTESTED: gated(coarse),
        FINE: gated(fine) if p_value(items) <= LEVEL else coarse[0, :m],
        GATED_FUSION: gated(np.concatenate([coarse[:1], fused])),
        GATED_BOTH: adaptive_or_fusion(cell, rows),
    }


def _prepare(cell: Cell, rows: CellDraw) -> tuple[Neighbourhood, Float[np.ndarray, "c n"]]:
    """Returns the items, and mixtures of a_G's and the discriminative score's quantiles."""
    both = np.concatenate(rows)
    items = neighbourhood(cell.score[both], cell.feature[both], len(rows.unlabelled))
    own, other = standardise(items.g), standardise(gaussianise(cell.discriminative[both]))
    return items, np.stack([w * own + (1 - w) * other for w in (*WEIGHTS, 0.0)])


def _is_refused(items: Neighbourhood) -> bool:
    return len(items.g) - items.n_unlabelled < FEWEST_KNOWN or guard(items) < MIN_MIX


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
