"""AUC, pAUC and harmonic means, as the DCASE 2021 task and the paper report them."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import hmean
from sklearn.metrics import roc_curve

from jax_dns.data.clips import ANOMALY, NORMAL
from jax_dns.errors import InputError
from jax_dns.segments_file import Clips

MAX_FPR = 0.1  # the largest false-positive rate that pAUC counts
POOLED = "all"  # both domains together


class SectionMetrics(NamedTuple):
    """The metrics of one section in one domain, or in both pooled; fractions of 1."""

    section: int
    domain: str  # "source", "target" or "all"
    auc: float
    pauc: float


def auc(label: Int[np.ndarray, " n"], score: Float[np.ndarray, " n"]) -> float:
    """Returns the area under the ROC curve; labels are 0 and 1, and both must occur."""
    return auc_and_pauc(label, score)[0]


def pauc(label: Int[np.ndarray, " n"], score: Float[np.ndarray, " n"]) -> float:
    """Returns the AUC up to a false-positive rate of 0.1, standardised by McClish's rule."""
    return auc_and_pauc(label, score)[1]


def auc_and_pauc(
    label: Int[np.ndarray, " n"], score: Float[np.ndarray, " n"]
) -> tuple[float, float]:
    """Computes `auc` and `pauc` from one ROC curve.

    They are scikit-learn's `roc_auc_score` bit for bit. Its two calls take 2.4 ms for a few clips,
    most of it to check the labels, and this 0.4 ms.
    """
    fpr, tpr, _ = roc_curve(label, score)
    below = fpr <= MAX_FPR
    partial = np.trapezoid(
        np.append(tpr[below], np.interp(MAX_FPR, fpr, tpr)), np.append(fpr[below], MAX_FPR)
    )
    chance = 0.5 * MAX_FPR**2  # McClish's rule maps it to 0.5, and the largest area to 1
    return float(np.trapezoid(tpr, fpr)), float(0.5 * (1 + (partial - chance) / (MAX_FPR - chance)))


def bulk_auc(
    label: Int[np.ndarray, " n"],
    scores: Float[np.ndarray, "#b n"],
    counts: Int[np.ndarray, "#b n"] | None = None,
) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Computes `auc` and `pauc` for many sets of scores, or many resamples, at once.

    Twenty-four sets of scores of 400 clips take 0.6 ms; scikit-learn's two calls a set take 43 ms.

    Args:
      label: [n] 0 and 1.
      scores: [b, n] one set of anomaly scores in each row, or [1, n].
      counts: [b, n] or [1, n] how often each item occurs in each set; None: once.

    Returns:
      AUC [b] and standardised partial AUC [b], fractions of 1: those of scikit-learn's
      `roc_auc_score` for the items repeated as often as `counts` says.

    Raises:
      InputError: `label` lacks a class.
    """
    n = len(label)
    positives = int((label == ANOMALY).sum())
    if positives in (0, n):
        raise InputError(f"label: {positives} of {n} are anomalies, expected both classes")
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    positive = (label == ANOMALY)[order].astype(np.int64)
    negative = 1 - positive
    if counts is not None:
        # The scores' order may be one for all resamples.
        order = np.broadcast_to(order, (max(len(order), len(counts)), n))
        weight = np.take_along_axis(np.broadcast_to(counts, order.shape), order, axis=1)
        positive, negative = positive * weight, negative * weight
    # Tied scores form one ROC step: until the last of them, repeat the previous point.
    last = np.append(np.diff(ranked, axis=1) != 0, np.ones((len(scores), 1), bool), axis=1)
    step = np.maximum.accumulate(np.where(last, np.arange(1, n + 1), 0), axis=1)
    step = np.broadcast_to(np.pad(step, ((0, 0), (1, 0))), (len(positive), n + 1))

    def rates(items: Int[np.ndarray, "b n"]) -> Float[np.ndarray, "b m"]:
        """Cumulative share of the items at each point of the curve, from none to all."""
        total = np.pad(np.cumsum(items, axis=1), ((0, 0), (1, 0)))
        return np.take_along_axis(total, step, axis=1) / total[:, -1:]

    tpr, fpr = rates(positive), rates(negative)
    width, rise = np.diff(fpr, axis=1), np.diff(tpr, axis=1)
    whole = (width * (tpr[:, :-1] + rise / 2)).sum(1)
    inside = np.clip(MAX_FPR - fpr[:, :-1], 0, width)  # the part of each step below MAX_FPR
    slope = np.divide(rise, width, out=np.zeros_like(rise), where=width > 0)
    partial = (inside * (tpr[:, :-1] + slope * inside / 2)).sum(1)
    chance = MAX_FPR**2 / 2  # McClish's rule maps it to 0.5, and the largest area to 1
    return whole, (1 + (partial - chance) / (MAX_FPR - chance)) / 2


def harmonic_mean(values: Iterable[float]) -> float:
    """Returns n / sum(1/x): 0 if a value is 0, NaN for no values."""
    values = list(values)
    return float(hmean(values)) if values else math.nan


def section_metrics(clips: Clips, scores: Float[np.ndarray, " c"]) -> list[SectionMetrics]:
    """Computes AUC and pAUC of every section: of each domain, and of both domains pooled.

    Args:
      clips: [c] clips of one machine type.
      scores: [c] their anomaly scores.

    Returns:
      The metrics of each section and domain that has labelled clips of both classes.
    """
    metrics = []
    for section in np.unique(clips.section):
        for domain in ("source", "target", POOLED):
            rows = (clips.section == section) & np.isin(clips.label, (NORMAL, ANOMALY))
            if domain != POOLED:
                rows &= clips.domain == domain
            label, score = clips.label[rows], scores[rows]
            if NORMAL in label and ANOMALY in label:
                values = auc_and_pauc(label, score)
                metrics.append(SectionMetrics(int(section), domain, *values))
    return metrics


def summary(metrics: Iterable[SectionMetrics], *, sections: Iterable[int], pooled: bool) -> float:
    """Returns the harmonic mean of AUC and pAUC over sections (and domains, unless pooled).

    Args:
      metrics: of one machine type and method.
      sections: those that count.
      pooled: whether to take one AUC for each section, with both domains pooled (the caption of
        Table II), or one for each section and domain (the official score of DCASE 2021).

    Returns:
      A fraction of 1; NaN if there are no metrics to average.
    """
    counted = set(sections)
    chosen = [m for m in metrics if m.section in counted and (m.domain == POOLED) == pooled]
    return harmonic_mean(value for m in chosen for value in (m.auc, m.pauc))
