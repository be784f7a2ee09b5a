"""The amount of smoothing, chosen without labels from items known to be normal.

Eq. 7 presupposes that anomalies have neighbours among the anomalies. Scores and features alone do
not tell whether they have. A set R of normal items that the scorer wasn't trained on does: without
a shift between R and the unlabelled items U,

    AUC(U against R) - 1/2 = prevalence x (AUC(anomalies against normals) - 1/2),

so that the candidate that separates U from R best also separates the anomalies best.

    g            = Phi^-1((rank(a) - 1/2) / n) over U and R together
    c_0          = z(g); z standardises
    c_{K,w}      = w z(g) + (1 - w) z(m_K), m_K the mean of g over the K - 1 nearest in U and R
    v_u(c)       = share of R below u, ties half;    v_r(c) = share of U above r
    Delta        = mean over U of v_u(c) - v_u(c_0)
    s^2          = var_u / |U| + var_r / |R| of the differences v(c) - v(c_0)

If no candidate reaches Delta / s = 2.5 (the gate), a_G is kept; otherwise the candidate with the
largest Delta - s is taken. On few items, or where features form clusters, scores unrelated to the
features pass the gate too often. So a_G is kept also where the neighbours of U don't score higher
than those of R by a permutation test, which unrelated scores pass in 2.5 % of cases. A guard
refuses where R lies apart from U in feature space.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from jax_dns.errors import InputError
from jax_dns.smoothing.api import smooth_grid, smooth_queries
from jax_dns.smoothing.dose import gaussianise
from jax_dns.smoothing.separation import (
    FUSION_WEIGHTS,
    GATE,
    WEIGHTS,
    choose,
    mix_candidates,
    mix_scores,
    permutation_p_value,
    separations,
    standardise,
)

METHOD = "Proposed (adaptive)"  # the method's name in tables
STRICT_GATE = 3.0
MIN_MIX = 0.4  # of the guard
FEWEST_KNOWN = 10  # known normals; ToyCar's cells: 10 harm none, 8 one in sixteen
LEVEL = 0.025  # of the permutation test: the largest of 40
KS = (2, 4, 8, 16, 32, 64, 128, 256)
MIX_NEIGHBOURS = 16


class AdaptiveChoice(NamedTuple):
    """Smoothed scores of the unlabelled items, and how the amount of smoothing was chosen."""

    scores: Float[np.ndarray, " m"]  # standardised Gaussian scores; in the order of a_G if kept
    k: int  # K; 1 if a_G is kept, or mixed with the other score
    weight: float  # w, the weight of the item's own score; 1 if a_G is kept
    ratio: float  # the largest Delta / s of a candidate; NaN if there is none
    mix: float  # the guard's value; NaN if there are too few known normals
    reason: str  # why a_G is kept; "" if it isn't
    p_value: float = float("nan")  # of the permutation test; NaN below the gate

    @property
    def description(self) -> str:
        """Returns one line: the choice or why a_G is kept, and what was computed for it."""
        if np.isnan(self.mix):
            return f"kept a_G: {self.reason}"
        p_value = "" if np.isnan(self.p_value) else f", p = {self.p_value:.3f}"
        figures = f"Delta/s = {self.ratio:.2f}{p_value}, guard {self.mix:.2f}"
        if self.reason:
            return f"kept a_G: {self.reason} ({figures})"
        if self.k == 1:
            return f"mixed with the other score, w = {self.weight:g} ({figures})"
        return f"K = {self.k}, w = {self.weight:g} ({figures})"


def smooth_adaptively(
    scores: Float[np.ndarray, " m"],
    features: Float[np.ndarray, "m d"],
    known_scores: Float[np.ndarray, " r"],
    known_features: Float[np.ndarray, "r d"],
    *,
    other_scores: Float[np.ndarray, " m"] | None = None,
    known_other_scores: Float[np.ndarray, " r"] | None = None,
    gate: float = GATE,
    level: float = LEVEL,
    metric: str = "euclidean",
) -> AdaptiveChoice:
    """Chooses K and w by known normals, and smooths; keeps a_G where nothing is gained for certain.

    Args:
      scores: [m] a_G of the unlabelled items, all of one section.
      features: [m, d] f_D.
      known_scores: [r] a_G of normal items that a_G was not trained on, recorded in the same
        conditions.
      known_features: [r, d].
      other_scores: [m] a second anomaly score, a discriminative one for instance: mixtures
        w g + (1 - w) times its Gaussian score, w = 0 too, are candidates as well.
      known_other_scores: [r], with `other_scores`.
      gate: Delta / s that a candidate must reach, 2.5; 3 is stricter.
      level: the largest p-value of the permutation test, 0.025; 1 for no test.
      metric: see `smooth`.

    Returns:
      Scores and the choice.

    Raises:
      InputError: a gate below 1, a level outside of 0.025 to 1, or what `smooth_grid` refuses.
    """
    if not gate >= 1:
        raise InputError(f"gate: {gate!r}, expected 1 or more")
    if not 0.025 <= level <= 1:
        raise InputError(f"level: {level!r}, expected 0.025 to 1")
    m, r = len(scores), len(known_scores)
    g = gaussianise(np.concatenate([np.asarray(scores), np.asarray(known_scores)]))
    if r < FEWEST_KNOWN:
        reason = f"{r} known normals, expected {FEWEST_KNOWN} or more"
        return _kept(g, m, reason, np.nan, np.nan)
    x = np.concatenate([np.asarray(features), np.asarray(known_features)])
    mix = guard_value(features, known_features, metric=metric)
    if mix < MIN_MIX:
        reason = f"the known normals lie apart, the guard expects {MIN_MIX:g} or more"
        return _kept(g, m, reason, np.nan, mix)
    ks = [k for k in KS if k <= 2 * len(g) // 3]
    settings = [(1, 1.0), *((k, w) for k in ks for w in WEIGHTS)]
    candidates = mix_candidates(g, smooth_grid(g, x, ks, metric=metric), ks)
    n_smoothed = len(settings)
    if other_scores is not None:
        other = gaussianise(np.concatenate([other_scores, known_other_scores]))
        candidates = np.concatenate([candidates, mix_scores(g, other)])
        settings += [(1, w) for w in FUSION_WEIGHTS]
    gain, error = separations(candidates, n_unlabelled=m)
    chosen, ratio = choose(gain, error, gate=gate)
    reason = f"no candidate separates the unlabelled from the known normal at gate {gate:g}"
    p_value = np.nan
    if settings[chosen][0] > 1 and level < 1:
        p_value = permutation_p_value(g, x, ks, n_unlabelled=m, metric=metric)
        if p_value > level:
            reason = "neighbours of the unlabelled don't clearly score higher than known normals'"
            unsmoothed = np.asarray([0, *range(n_smoothed, len(settings))])
            chosen = unsmoothed[choose(gain[unsmoothed], error[unsmoothed], gate=gate)[0]]
    if chosen == 0:
        return _kept(g, m, reason, ratio, mix)._replace(p_value=p_value)
    scores = candidates[chosen, :m]
    return AdaptiveChoice(scores, *settings[chosen], ratio, mix, "", p_value)


def smooth_groups_adaptively(
    scores: Float[np.ndarray, " m"],
    features: Float[np.ndarray, "m d"],
    groups: Int[np.ndarray, " m"],
    known_scores: Float[np.ndarray, " r"],
    known_features: Float[np.ndarray, "r d"],
    known_groups: Int[np.ndarray, " r"],
    *,
    gate: float = GATE,
    metric: str = "euclidean",
) -> tuple[Float[np.ndarray, " m"], dict[int, AdaptiveChoice]]:
    """Chooses and smooths for each group, a section for instance, with its own known normals.

    Args are those of `smooth_adaptively`, and the groups of the unlabelled items, [m], and of the
    known normals, [r].

    Returns:
      [m] scores, standardised within a group, and each group's choice.

    Raises:
      InputError: see `smooth_adaptively`.
    """
    out, choices = np.empty(len(scores)), {}
    for group in np.unique(groups).tolist():
        rows, known = groups == group, known_groups == group
        choices[group] = smooth_adaptively(
            scores[rows],
            features[rows],
            known_scores[known],
            known_features[known],
            gate=gate,
            metric=metric,
        )
        out[rows] = choices[group].scores
    return out, choices


def exchange_within(
    before: Float[np.ndarray, " n"], after: Float[np.ndarray, " n"], parts: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Gives each part's items, in the order of `after`, the values that they have in `before`.

    So a choice made in one part moves its items among themselves alone.

    Args:
      before: [n] a_G.
      after: [n] smoothed scores, on a scale of their own in each part.
      parts: [n] a section and domain, for instance.

    Returns:
      [n]; ties in `after` share a value.
    """
    out = np.empty(len(before))
    for part in np.unique(parts):
        rows = parts == part
        place = rankdata(after[rows]) - 1
        out[rows] = np.interp(place, np.arange(rows.sum()), np.sort(before[rows]))
    return out


def guard_value(
    features: Float[np.ndarray, "m d"],
    known_features: Float[np.ndarray, "r d"],
    *,
    metric: str = "euclidean",
) -> float:
    """Measures how far known normals lie among the unlabelled items: the guard's value.

    The odds of an unlabelled item among the known normals' 16 nearest, over |U| / (|R| - 1).

    Args:
      features: [m, d] of the unlabelled items.
      known_features: [r, d] of the known normals, 2 or more.
      metric: see `smooth`.

    Returns:
      About 1 - prevalence where both are of the same conditions, near 0 where they are not.
    """
    m, r = len(features), len(known_features)
    k = min(MIX_NEIGHBOURS, max(2, (m + r) // 8))
    x = np.concatenate([np.asarray(features), np.asarray(known_features)])
    unlabelled = (np.arange(m + r) < m).astype(np.float32)
    # A known normal is in the history too and nearest to itself: k + 1 rows, and the query.
    smoothed = smooth_queries(
        np.zeros(r, np.float32), x[m:], unlabelled, x, min(k + 2, m + r + 1), metric=metric
    )
    share = min(float(smoothed.mean(dtype=np.float64)) * (k + 2) / k, 0.999)
    return share / (1 - share) / (m / (r - 1))


def _kept(g: np.ndarray, m: int, reason: str, ratio: float, mix: float) -> AdaptiveChoice:
    scores = standardise(g[None])[0, :m]
    return AdaptiveChoice(scores, 1, 1.0, ratio, mix, reason)
