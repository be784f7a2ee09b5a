"""Every rule for the amount of smoothing on one draw of a cell: scores of the unlabelled items.

In NumPy: JAX would compile each rule anew for every size that a draw can have. The test compares
these with `jax_dns.smoothing`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from paper.cells import Cell, CellDraw
from scipy.stats import rankdata

from jax_dns.smoothing import adaptive
from jax_dns.smoothing.adaptive import STRICT_GATE
from jax_dns.smoothing.dose import gaussianise
from jax_dns.smoothing.separation import FUSION_WEIGHTS, GATE, PERMUTATIONS, WEIGHTS

KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BASE, HALF, ADAPTIVE, STRICT, FUSION = "a_G", "half dose", "adaptive", "adaptive, gate 3", "fusion"
EITHER = "adaptive or fusion"
DIGITS = 9  # equal candidates tie, though their sums are rounded differently


class Neighbourhood(NamedTuple):
    """Unlabelled items, then known normals, and the neighbours of each."""

    g: Float[np.ndarray, " n"]  # Gaussian scores
    near: Int[np.ndarray, "n k"]  # nearest first, the item itself left out
    n_unlabelled: int


class Choice(NamedTuple):
    """What the rule with known normals chose; see `adaptive.AdaptiveChoice`."""

    scores: Float[np.ndarray, " m"]
    k: int
    weight: float
    ratio: float
    p_value: float
    mix: float


def fixed(k: int) -> str:
    """Returns the name of a fixed K."""
    return f"K = {k}"


def neighbourhood(
    score: Float[np.ndarray, " n"], feature: Float[np.ndarray, "n d"], n_unlabelled: int
) -> Neighbourhood:
    """Finds the 255 nearest of every item, or all."""
    x = np.asarray(feature, np.float64) - np.mean(feature, 0, dtype=np.float64)
    squares = (x**2).sum(1)
    distance = squares[:, None] + squares[None] - 2 * x @ x.T
    np.fill_diagonal(distance, -np.inf)
    count = min(max(KS), len(x))
    near = np.argpartition(distance, count - 1, 1)[:, :count]
    inside = np.argsort(np.take_along_axis(distance, near, 1), 1, kind="stable")
    near = np.take_along_axis(near, inside, 1)[:, 1:]
    return Neighbourhood(gaussianise(score), near, n_unlabelled)


def neighbour_means(
    g: Float[np.ndarray, "*p n"], near: Int[np.ndarray, "n k"], ks: Sequence[int]
) -> Float[np.ndarray, "*p k n"]:
    """Returns m_K, the mean of g over the K - 1 nearest, for each K of 2 or more."""
    total = np.cumsum(g[..., near[:, : max(ks) - 1]], -1)
    return np.stack([total[..., k - 2] / (k - 1) for k in ks], -2)


def grid(n: int) -> list[int]:
    """Returns the rule's Ks for n items."""
    return [k for k in adaptive.KS if k <= 2 * n // 3]


def mixtures(
    items: Neighbourhood, weights: Sequence[float] = WEIGHTS
) -> tuple[Float[np.ndarray, "c n"], list[tuple[int, float]]]:
    """Returns c_0 and every c_{K,w}, and their K and w."""
    ks = grid(len(items.g))
    own = standardise(items.g)
    rows, settings = [own], [(1, 1.0)]
    for k, mean in zip(ks, neighbour_means(items.g, items.near, ks)):
        rows += [w * own + (1 - w) * standardise(mean) for w in weights]
        settings += [(k, float(w)) for w in weights]
    return np.stack(rows), settings


def separation(candidates: Float[np.ndarray, "c n"], m: int) -> tuple[int, float]:
    """Returns the candidate with the largest Delta - s, 0 for c_0, and the largest Delta / s."""
    c = np.round(candidates, DIGITS)
    ranks, of_u, of_r = rankdata(c, axis=1), rankdata(c[:, :m], axis=1), rankdata(c[:, m:], axis=1)
    r = c.shape[1] - m
    below, above = (ranks[:, :m] - of_u) / r, 1 - (ranks[:, m:] - of_r) / m
    below, above = below - below[:1], above - above[:1]
    error = np.sqrt(below.var(1) / m + above.var(1) / r)
    gain = below.mean(1)
    bound = np.append(0.0, (gain - error)[1:])
    return int(bound.argmax()), float((gain[1:] / np.maximum(error[1:], 1e-9)).max())


def p_value(items: Neighbourhood) -> float:
    """Computes the permutation test of `jax_dns.smoothing.separation`.

    D_K is linear in g: an item counts as often as it is a neighbour.
    """
    rng, m, n = np.random.default_rng(0), items.n_unlabelled, len(items.g)
    orders = np.stack([items.g, *(rng.permutation(items.g) for _ in range(PERMUTATIONS))])
    counts = []
    for k in grid(n):
        of_u, of_r = (
            np.bincount(near[:, : k - 1].ravel(), minlength=n) / (len(near) * (k - 1))
            for near in (items.near[:m], items.near[m:])
        )
        counts.append(of_u - of_r)
    differences = orders @ np.stack(counts).T
    deviations = (differences - differences.mean(0)) / (differences.std(0) + 1e-12)
    largest = deviations.max(1)
    return float((largest >= largest[0]).mean())


def guard(items: Neighbourhood) -> float:
    """Computes `adaptive.guard_value`."""
    n, m = len(items.g), items.n_unlabelled
    k = min(adaptive.MIX_NEIGHBOURS, max(2, n // 8))
    share = min((items.near[m:, :k] < m).mean(), 0.999)
    return share / (1 - share) / (m / (n - m - 1))


def choose(items: Neighbourhood, *, gate: float = GATE) -> Choice:
    """Computes the choice of `adaptive.smooth_adaptively`."""
    n, m = len(items.g), items.n_unlabelled
    own = standardise(items.g)[:m]
    mix = guard(items) if n - m > 1 else np.nan
    if is_refused(items):
        return Choice(own, 1, 1.0, np.nan, np.nan, mix)
    candidates, settings = mixtures(items)
    chosen, ratio = separation(candidates, m)
    p = p_value(items) if ratio >= gate else np.nan
    if not p <= adaptive.LEVEL or chosen == 0:
        return Choice(own, 1, 1.0, ratio, p, mix)
    return Choice(candidates[chosen, :m], *settings[chosen], ratio, p, mix)


def mix_scores(items: Neighbourhood, other: Float[np.ndarray, " n"]) -> Float[np.ndarray, "c n"]:
    """Returns mixtures of a_G's and another score's Gaussian scores."""
    own, other = standardise(items.g), standardise(gaussianise(other))
    return np.stack([w * own + (1 - w) * other for w in FUSION_WEIGHTS])


def adaptive_or_fusion(
    items: Neighbourhood, other: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    """Computes the scores of `adaptive.smooth_adaptively` with another score."""
    m, coarse, fused = items.n_unlabelled, mixtures(items)[0], mix_scores(items, other)
    chosen, ratio = separation(np.concatenate([coarse, fused]), m)
    if ratio < GATE or is_refused(items):
        chosen = 0
    elif chosen < len(coarse) and p_value(items) > adaptive.LEVEL:
        chosen, ratio = separation(np.concatenate([coarse[:1], fused]), m)
        chosen = chosen + len(coarse) - 1 if chosen and ratio >= GATE else 0
    return np.concatenate([coarse, fused])[chosen, :m]


def is_refused(items: Neighbourhood) -> bool:
    """Returns whether known normals are too few, or lie apart."""
    return (
        len(items.g) - items.n_unlabelled < adaptive.FEWEST_KNOWN or guard(items) < adaptive.MIN_MIX
    )


def rate_rules(cell: Cell, rows: CellDraw) -> dict[str, Float[np.ndarray, " m"]]:
    """Computes each rule's scores.

    Args:
      cell: the items.
      rows: the draw.

    Returns:
      Rule -> [m] scores of the unlabelled items.
    """
    u, r = rows
    a, both = cell.score[u], np.concatenate([u, r])
    alone = neighbourhood(a, cell.feature[u], len(u))
    ks = [k for k in KS if 1 < k <= len(u)]
    centred = (a - a.mean()) / (a.std() + 1e-30)
    means = neighbour_means(centred, alone.near, ks)
    out = {BASE: a, fixed(1): a}
    out |= {fixed(k): np.round((centred + (k - 1) * m) / k, DIGITS) for k, m in zip(ks, means)}
    out[HALF] = alone.g / 2 + neighbour_means(alone.g, alone.near, [min(16, len(u))])[0] / 2
    items = neighbourhood(cell.score[both], cell.feature[both], len(u))
    choice = choose(items)
    out[ADAPTIVE] = choice.scores
    out[STRICT] = choice.scores if choice.ratio >= STRICT_GATE else a
    out[FUSION] = rankdata(a) + rankdata(cell.discriminative[u])
    out[EITHER] = adaptive_or_fusion(items, cell.discriminative[both])
    return out


def standardise(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns values of mean 0 and deviation 1."""
    return (values - values.mean()) / (values.std() + 1e-12)
