"""AUC and pAUC of score files: a table by machine type, section and domain, and their means."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jax_dns.data.clips import ANOMALY, NORMAL, UNKNOWN
from jax_dns.errors import InputError, first_three
from jax_dns.evaluation.metrics import POOLED, SectionMetrics, harmonic_mean, section_metrics
from jax_dns.evaluation.tables import MISSING, Table, percent, to_text
from jax_dns.segments_file import Segments, clips_of


class Rating(NamedTuple):
    """The clips of a section in one domain or in both, and their metrics where they have any."""

    section: int
    domain: str  # "source", "target", or "all", which counts clips of no known domain too
    normal: int
    anomaly: int
    unlabelled: int
    cell: SectionMetrics | None


def rate(rows: Segments) -> list[Rating]:
    """Rates one machine type's clip scores.

    Args:
      rows: one row a clip.

    Returns:
      A rating for each section and domain, and for each section with its domains pooled.

    Raises:
      InputError: a clip with two scores.
    """
    names, counts = np.unique(rows.clip, return_counts=True)
    if counts.max() > 1:
        raise InputError(
            f"{first_three(names[counts > 1])}: scored more than once, expected one score a clip "
            "(jax-dns smooth averages the segments of a clip)"
        )
    found = {(c.section, c.domain): c for c in section_metrics(clips_of(rows), rows.score)}
    ratings = []
    for section in map(int, np.unique(rows.section)):
        here = rows.section == section
        for domain in (*filter(None, np.unique(rows.domain[here])), POOLED):
            label = rows.label[here & ((rows.domain == domain) | (domain == POOLED))]
            n = [int((label == value).sum()) for value in (NORMAL, ANOMALY, UNKNOWN)]
            ratings.append(Rating(section, str(domain), *n, found.get((section, domain))))
    return ratings


def rating_table(ratings: Mapping[str, Sequence[Rating]]) -> str:
    """Formats the metrics of every section and domain in full, as fractions of 1."""
    rows = []
    for machine, sections in ratings.items():
        for r in sections:
            section = "-" if r.section == UNKNOWN else f"{r.section:02d}"
            if r.cell:
                note = f"({r.unlabelled} more unlabelled)" if r.unlabelled else ""
                values = [repr(r.cell.auc), repr(r.cell.pauc), note]
            elif r.normal + r.anomaly == 0:
                values = [MISSING, MISSING, f"unlabelled ({r.unlabelled} clips)"]
            else:
                values = [MISSING, MISSING, "labels of one class only"]
            rows.append([machine, section, r.domain, str(r.normal), str(r.anomaly), *values])
    head = ["machine", "section", "domain", "normal", "anomaly", "AUC", "pAUC", ""]
    return to_text(Table(head, rows), left=len(head))


def means_table(ratings: Mapping[str, Sequence[Rating]], *, pooled: bool) -> str:
    """Formats harmonic and arithmetic means over sections (and domains, unless pooled), in percent.

    The last row is over all machine types, sections and domains. "Both" is the mean over AUC and
    pAUC together, as in the paper's Table II.
    """
    found: dict[str, list[SectionMetrics]] = {}
    for machine, sections in ratings.items():
        metrics = [r.cell for r in sections if r.cell and (r.domain == POOLED) == pooled]
        if metrics:
            found[machine] = metrics
    if len(found) > 1:
        found["all"] = [m for metrics in found.values() for m in metrics]
    rows = []
    for machine, metrics in found.items():
        auc, pauc = [m.auc for m in metrics], [m.pauc for m in metrics]
        harmonic = [harmonic_mean(values) for values in (auc, pauc, auc + pauc)]
        values = [*harmonic, float(np.mean(auc)), float(np.mean(pauc))]
        rows.append([machine, *(percent([value]) for value in values)])
    head = ["mean [%]", "harmonic: AUC", "pAUC", "both", "arithmetic: AUC", "pAUC"]
    return to_text(Table(head, rows), left=len(head)) if rows else ""
