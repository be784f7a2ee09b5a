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
from jax_dns.evaluation.metrics import POOLED, bulk_auc
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
                both = bulk_auc(clips.label[rows], scores[None, rows], counts[:, rows])
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
