"""AUC, pAUC and harmonic means, as the DCASE 2021 task and the paper report them."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import hmean
from sklearn.metrics import roc_auc_score

from jax_dns.artefact import Clips
from jax_dns.data.clips import ANOMALY, NORMAL

P = 0.1  # pAUC's largest false-positive rate
POOLED = "all"  # both domains together


class Cell(NamedTuple):
    """The metrics of one section in one domain, or in both pooled; fractions of 1."""

    section: int
    domain: str  # "source", "target" or "all"
    auc: float
    pauc: float


def auc(label: Int[np.ndarray, " n"], score: Float[np.ndarray, " n"]) -> float:
    """Area under the ROC curve of labels 0 and 1; both must occur."""
    return float(roc_auc_score(label, score))


def pauc(label: Int[np.ndarray, " n"], score: Float[np.ndarray, " n"]) -> float:
    """Partial AUC up to a false-positive rate of 0.1, standardised by McClish's rule."""
    return float(roc_auc_score(label, score, max_fpr=P))


def harmonic_mean(values: Iterable[float]) -> float:
    """n / sum(1/x); 0 where a value is 0, NaN of nothing."""
    values = list(values)
    return float(hmean(values)) if values else math.nan


def cells(clips: Clips, scores: Float[np.ndarray, " c"]) -> list[Cell]:
    """AUC and pAUC of every section, by domain and pooled.

    Args:
      clips: the clips scored.
      scores: [c] anomaly scores.

    Returns:
      A cell for each section and domain that holds labelled clips of both classes; the others,
      whose AUC is undefined, are left out.
    """
    out = []
    for section in np.unique(clips.section):
        for domain in ("source", "target", POOLED):
            rows = (clips.section == section) & np.isin(clips.label, (NORMAL, ANOMALY))
            if domain != POOLED:
                rows &= clips.domain == domain
            label = clips.label[rows]
            if NORMAL in label and ANOMALY in label:
                score = scores[rows]
                out.append(Cell(int(section), domain, auc(label, score), pauc(label, score)))
    return out


def summary(found: Iterable[Cell], *, sections: Iterable[int], pooled: bool) -> float:
    """Harmonic mean of AUC and pAUC over sections (and domains, unless pooled).

    Args:
      found: cells of one machine and method.
      sections: those that count.
      pooled: one AUC a section with both domains pooled (Table II's caption), or one a section and
        domain (the official score).

    Returns:
      A fraction of 1; NaN where no cell counts.
    """
    chosen = [c for c in found if c.section in set(sections) and (c.domain == POOLED) == pooled]
    return harmonic_mean(value for c in chosen for value in (c.auc, c.pauc))
