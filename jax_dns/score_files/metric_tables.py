"""AUC and pAUC of score files: a table by machine type, section and domain, and their means."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jax_dns.data.clips import ANOMALY, NORMAL, UNKNOWN
from jax_dns.errors import InputError, first_three
from jax_dns.evaluation.metrics import POOLED, SectionMetrics, harmonic_mean, section_metrics
from jax_dns.evaluation.tables import percent
from jax_dns.segments_file import Segments, clips_of

NUMBER = 18  # columns of a fraction in full


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
    """Every section and domain in full, as the evaluator prints them: fractions of 1."""
    lines = [["machine", "section", "domain", "normal", "anomaly", "AUC", "pAUC"]]
    for machine, rated in ratings.items():
        for r in rated:
            section = "-" if r.section == UNKNOWN else f"{r.section:02d}"
            if r.cell:
                note = f"({r.unlabelled} more unlabelled)" if r.unlabelled else ""
                values = [f"{r.cell.auc!r:<{NUMBER}}", f"{r.cell.pauc!r:<{NUMBER}}", note]
            elif r.unlabelled == r.normal + r.anomaly + r.unlabelled:
                values = [f"unlabelled ({r.unlabelled} clips)"]
            else:
                values = ["labels of one class only"]
            counts = [str(r.normal), str(r.anomaly)]
            lines.append([machine, section, r.domain, *counts, *values])
    return _left_aligned(lines)


def means_table(ratings: Mapping[str, Sequence[Rating]], *, pooled: bool) -> str:
    """Harmonic and arithmetic means over sections (and domains, unless pooled), in percent.

    The last line is over all machine types, sections and domains. "Both" is the mean over AUC and
    pAUC alike, as in the paper's Table II.
    """
    rows: dict[str, list[SectionMetrics]] = {}
    for machine, rated in ratings.items():
        found = [r.cell for r in rated if r.cell and (r.domain == POOLED) == pooled]
        if found:
            rows[machine] = found
    if len(rows) > 1:
        rows["all"] = [cell for found in rows.values() for cell in found]
    lines = [["mean [%]", "harmonic: AUC", "pAUC", "both", "arithmetic: AUC", "pAUC"]]
    for machine, found in rows.items():
        auc, pauc = [c.auc for c in found], [c.pauc for c in found]
        harmonic = [harmonic_mean(values) for values in (auc, pauc, auc + pauc)]
        values = [*harmonic, float(np.mean(auc)), float(np.mean(pauc))]
        lines.append([machine, *(percent([value]) for value in values)])
    return _left_aligned(lines) if rows else ""


def _left_aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of one width; a line may end early."""
    columns = range(max(map(len, lines)))
    widths = [
        max((len(line[i]) for line in lines if i < len(line) - 1), default=0) for i in columns
    ]
    return "\n".join("  ".join(x.ljust(w) for x, w in zip(line, widths)).rstrip() for line in lines)
