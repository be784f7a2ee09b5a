"""AUC and pAUC of score files: tables by machine type, section and domain, and their means."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jax_dns.data.clips import ANOMALY, NORMAL, UNKNOWN
from jax_dns.errors import InputError, first_three
from jax_dns.evaluation.metrics import POOLED, SectionMetrics, harmonic_mean, section_metrics
from jax_dns.evaluation.official_scores import (
    Figures,
    figure_names,
    kind_of_mean,
    mean_figures,
    official_score,
    section_figures,
)
from jax_dns.evaluation.tables import MISSING, Table, percent, to_text
from jax_dns.segments_file import Clips, Segments, clips_of


class SectionReport(NamedTuple):
    """The clips of a section in one domain or in both, and their metrics."""

    section: int
    domain: str  # "source", "target", or "all", which counts clips of no known domain too
    normal: int
    anomaly: int
    unlabelled: int
    metrics: SectionMetrics | None  # None if a class has no labelled clips


def scored_clips(rows: Segments) -> Clips:
    """Returns the clips of one machine type's scores.

    Raises:
      InputError: a clip with two scores.
    """
    names, counts = np.unique(rows.clip, return_counts=True)
    if counts.max() > 1:
        raise InputError(
            f"{first_three(names[counts > 1])}: scored more than once, expected one score a clip "
            "(jax-dns smooth averages the segments of a clip)"
        )
    return clips_of(rows)


def evaluate_sections(rows: Segments) -> list[SectionReport]:
    """Evaluates one machine type's clip scores.

    Args:
      rows: one row a clip.

    Returns:
      A report for each section and domain, and for each section with its domains pooled.

    Raises:
      InputError: a clip with two scores.
    """
    metrics = {(m.section, m.domain): m for m in section_metrics(scored_clips(rows), rows.score)}
    reports = []
    for section in map(int, np.unique(rows.section)):
        here = rows.section == section
        for domain in (*filter(None, np.unique(rows.domain[here])), POOLED):
            label = rows.label[here & ((rows.domain == domain) | (domain == POOLED))]
            n = [int((label == value).sum()) for value in (NORMAL, ANOMALY, UNKNOWN)]
            reports.append(SectionReport(section, str(domain), *n, metrics.get((section, domain))))
    return reports


def section_table(reports: Mapping[str, Sequence[SectionReport]]) -> str:
    """Formats the metrics of every section and domain in full, as fractions of 1."""
    rows = []
    for machine, sections in reports.items():
        for r in sections:
            if r.metrics:
                note = f"({r.unlabelled} more unlabelled)" if r.unlabelled else ""
                values = [repr(r.metrics.auc), repr(r.metrics.pauc), note]
            elif r.normal + r.anomaly == 0:
                values = [MISSING, MISSING, f"unlabelled ({r.unlabelled} clips)"]
            else:
                values = [MISSING, MISSING, "labels of one class only"]
            counts = [str(r.normal), str(r.anomaly)]
            rows.append([machine, _section(r.section), r.domain, *counts, *values])
    head = ["machine", "section", "domain", "normal", "anomaly", "AUC", "pAUC", ""]
    return to_text(Table(head, rows), left=len(head))


def means_table(reports: Mapping[str, Sequence[SectionReport]], *, pooled: bool) -> str:
    """Formats harmonic and arithmetic means over sections (and domains, unless pooled), in percent.

    The last row is over all machine types, sections and domains. "Both" is the mean over AUC and
    pAUC together, as in the paper's Table II.
    """
    by_machine: dict[str, list[SectionMetrics]] = {}
    for machine, sections in reports.items():
        found = [r.metrics for r in sections if r.metrics and (r.domain == POOLED) == pooled]
        if found:
            by_machine[machine] = found
    if len(by_machine) > 1:
        by_machine["all"] = [m for found in by_machine.values() for m in found]
    rows = []
    for machine, found in by_machine.items():
        auc, pauc = [m.auc for m in found], [m.pauc for m in found]
        harmonic = [harmonic_mean(values) for values in (auc, pauc, auc + pauc)]
        values = [*harmonic, float(np.mean(auc)), float(np.mean(pauc))]
        rows.append([machine, *(percent([value]) for value in values)])
    head = ["mean [%]", "harmonic: AUC", "pAUC", "both", "arithmetic: AUC", "pAUC"]
    return to_text(Table(head, rows), left=len(head)) if rows else ""


def year_figures(rows: Segments, year: int) -> dict[int, Figures]:
    """Computes a year's figures of one machine type's clip scores, by section.

    Raises:
      InputError: a clip with two scores.
    """
    return section_figures(scored_clips(rows), rows.score, year)


def year_table(machines: Mapping[str, Mapping[int, Figures]], year: int) -> str:
    """Formats the figures of a year, their means and the official score, as fractions of 1.

    Args:
      machines: machine type -> section -> figures.
      year: 2020 to 2025.
    """
    names = figure_names(year)

    def line(machine: str, section: str, figures: Figures) -> list[str]:
        return [
            machine,
            section,
            *(repr(figures[name]) if name in figures else MISSING for name in names),
        ]

    kind = kind_of_mean(year)
    rows = []
    for machine, sections in machines.items():
        rows += [line(machine, _section(s), figures) for s, figures in sections.items()]
        rows.append(line(machine, f"{kind} mean", mean_figures(sections.values(), kind)))
    score = official_score(machines, year)
    if len(machines) > 1:
        rows.append(line("all", f"{kind} mean", score.by_figure))
    head = ["machine", "id" if year == 2020 else "section", *names]
    text = to_text(Table(head, rows), left=len(head))
    if not score.count:
        return text
    n = sum(map(len, machines.values()))
    lacking = n * len(names) - score.count
    values = ", ".join(f"{name} {value!r}" for name, value in score.values.items())
    note = f"; {lacking} more lack labels or domains" if lacking else ""
    return f"{text}\n\nDCASE {year}: {values} ({kind} mean of {score.count} figures{note})"


def _section(section: int) -> str:
    return MISSING if section == UNKNOWN else f"{section:02d}"
