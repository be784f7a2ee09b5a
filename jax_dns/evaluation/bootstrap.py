"""Bootstrap intervals of AUC, pAUC and their harmonic means, many resamples at once.

Clips, or whole recordings, are drawn with replacement within section, domain and label; their
scores stay as they are. A resample is a count for each clip, so that AUC and pAUC come from running
sums of counts over the sorted scores: no resample is ever written out. Methods, settings and seeds
rated with the same counts are paired.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int, Shaped

from jax_dns.data.clips import ANOMALY, NORMAL
from jax_dns.evaluation.metrics import POOLED, P
from jax_dns.segments_file import Clips

LEVEL = 0.95


def draw_counts(
    clips: Clips,
    *,
    n_resamples: int,
    seed: int | list[int],
    recording: Shaped[np.ndarray, " c"] | None = None,
) -> Int[np.ndarray, "b c"]:
    """How often each clip occurs in each resample.

    Args:
      clips: [c] clips; those of one section, domain and label are drawn among themselves.
      n_resamples: b.
      seed: of the draws, which depend on nothing else but the strata's sizes and order.
      recording: [c] the recording that each clip was cut from: recordings are drawn, and bring
        all their clips of that section, domain and label. None: each clip by itself.

    Returns:
      [b, c]; zero for clips without a label.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros((n_resamples, len(clips.name)), np.int32)
    for section in np.unique(clips.section):
        for domain in np.unique(clips.domain):
            for label in (NORMAL, ANOMALY):
                rows = np.flatnonzero(
                    (clips.section == section) & (clips.domain == domain) & (clips.label == label)
                )
                if len(rows):
                    unit = rows if recording is None else recording[rows]
                    found, unit = np.unique(unit, return_inverse=True)
                    equal = np.full(len(found), 1 / len(found))
                    counts[:, rows] = rng.multinomial(len(found), equal, size=n_resamples)[:, unit]
    return counts


def resampled_auc(
    label: Int[np.ndarray, " c"], score: Float[np.ndarray, " c"], counts: Int[np.ndarray, "b c"]
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """AUC and pAUC of each resample.

    Args:
      label: [c] 0 or 1.
      score: [c] anomaly scores.
      counts: [b, c] of each clip in each resample; both labels must occur in each.

    Returns:
      ([b], [b]) fractions of 1: what scikit-learn's `roc_auc_score` gives for the clips written out
      as often as they count, without and with `max_fpr=0.1` (interpolated there, and standardised
      by McClish's rule).
    """
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=np.inf))  # equal scores are one threshold

    def rates(which: int) -> Float[np.ndarray, "b u"]:
        """False or true positive rates at every threshold, from none to all."""
        at = np.add.reduceat(counts[:, order] * (label[order] == which), starts, axis=1)
        running = np.cumsum(at, axis=1)
        return np.pad(running / running[:, -1:], ((0, 0), (1, 0)))

    fpr, tpr = rates(NORMAL), rates(ANOMALY)
    width, rise = np.diff(fpr), np.diff(tpr)
    auc = (width * (tpr[:, :-1] + rise / 2)).sum(1)
    inside = np.clip(P - fpr[:, :-1], 0, width)
    with np.errstate(invalid="ignore"):
        share = np.where(width > 0, inside / width, 0)
    partial = (inside * (tpr[:, :-1] + share * rise / 2)).sum(1)
    least = P**2 / 2
    return auc, (1 + (partial - least) / (P - least)) / 2


def resampled_summary(
    clips: Clips,
    scores: Float[np.ndarray, " c"],
    counts: Int[np.ndarray, "b c"],
    *,
    sections: Iterable[int],
    pooled: bool,
    partial: bool = True,
) -> Float[np.ndarray, " b"]:
    """`metrics.summary` of each resample.

    Args:
      clips: [c] clips.
      scores: [c] anomaly scores.
      counts: [b, c] of `draw_counts`.
      sections: those that count.
      pooled: one AUC a section with its domains pooled, or one a section and domain.
      partial: whether pAUC counts beside AUC; ToyCar-5 is an AUC alone.

    Returns:
      [b] harmonic means, fractions of 1; NaN where no section and domain has clips of both labels.
    """
    values = []
    for section in sections:
        for domain in (POOLED,) if pooled else ("source", "target"):
            rows = (clips.section == section) & np.isin(clips.label, (NORMAL, ANOMALY))
            if domain != POOLED:
                rows &= clips.domain == domain
            if len(np.unique(clips.label[rows])) == 2:
                both = resampled_auc(clips.label[rows], scores[rows], counts[:, rows])
                values += both if partial else both[:1]
    if not values:
        return np.full(len(counts), np.nan)
    return harmonic_means(np.stack(values))


def harmonic_means(values: Float[np.ndarray, "m *b"]) -> Float[np.ndarray, "*b"]:
    """Over the first axis; 0 where a value is 0."""
    with np.errstate(divide="ignore"):
        return len(values) / (1 / values).sum(0)


def interval(draws: Float[np.ndarray, " b"], level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of a statistic's resamples."""
    low, high = np.percentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)
