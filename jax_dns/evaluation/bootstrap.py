"""Bootstrap intervals of AUC, pAUC and their harmonic means, for many resamples at once.

Clips, or whole recordings, are drawn with replacement within section, domain and label; their
scores are held fixed. A resample is a count for each clip, so that no resample is written out. What
is computed from the same counts (methods, settings, seeds) is paired.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

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
    """Draws how often each clip occurs in each resample.

    Args:
      clips: [c] clips; those of one section, domain and label are drawn among themselves.
      n_resamples: b.
      seed: of the draws, which depend on nothing else but the strata's sizes and order.
      recording: [c] the recording that each clip was cut from: recordings are drawn, each with all
        its clips of that section, domain and label. None: clips are drawn.

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
                    units, unit = np.unique(unit, return_inverse=True)
                    equal = np.full(len(units), 1 / len(units))
                    counts[:, rows] = rng.multinomial(len(units), equal, size=n_resamples)[:, unit]
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
    """Computes `metrics.summary` of each resample.

    Args:
      clips: [c] clips.
      scores: [c] anomaly scores.
      counts: [b, c] of `draw_counts`.
      sections: those that count.
      pooled: see `metrics.summary`.
      partial: whether pAUC counts beside AUC.

    Returns:
      [b] harmonic means, fractions of 1; NaN if no section and domain has clips of both labels.
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
    """Returns harmonic means over the first axis; 0 where a value is 0."""
    with np.errstate(divide="ignore"):
        return len(values) / (1 / values).sum(0)


def interval(draws: Float[np.ndarray, " b"], level: float = LEVEL) -> tuple[float, float]:
    """Returns the percentile interval of a statistic's resamples."""
    low, high = np.percentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


class ScorePair(NamedTuple):
    """Scores of the same clips by two methods."""

    clips: Clips
    first: Float[np.ndarray, " c"]
    second: Float[np.ndarray, " c"]


class Difference(NamedTuple):
    """How far the second method is above the first; fractions of 1."""

    first: float  # harmonic mean over machine types, mean over seeds
    second: float
    low: float  # of the 95 % interval of second - first
    high: float


def paired_difference(
    runs: Sequence[Mapping[str, ScorePair]],
    *,
    sections: Sequence[int],
    pooled: bool,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Difference | None:
    """Compares two methods by All-hmean, with a paired bootstrap interval.

    Args:
      runs: for each seed of training, machine type -> scores. Clips are drawn once for each machine
        type, the same for all seeds, whose mean is taken.
      sections: those that count.
      pooled: see `metrics.summary`.
      n_resamples: number of resamples.
      seed: of the draws.

    Returns:
      The difference; None if a machine type has no labelled clips of both classes.
    """
    means = np.zeros((2, n_resamples + 1))
    for run in runs:
        by_machine = []
        for number, (clips, *scores) in enumerate(run.values()):
            order = np.argsort(clips.name)  # seeds may list the clips in other orders
            ordered = Clips(*(column[order] for column in clips[:4]), np.arange(len(order)))
            counts = draw_counts(ordered, n_resamples=n_resamples, seed=[seed, number])
            once = np.ones((1, len(order)), counts.dtype)
            by_machine.append(
                [
                    resampled_summary(
                        ordered,
                        values[order],
                        np.concatenate([once, counts]),
                        sections=sections,
                        pooled=pooled,
                    )
                    for values in scores
                ]
            )
        means += harmonic_means(np.asarray(by_machine)) / len(runs)
    if np.isnan(means).any():
        return None
    first, second = means
    return Difference(float(first[0]), float(second[0]), *interval(second[1:] - first[1:]))
