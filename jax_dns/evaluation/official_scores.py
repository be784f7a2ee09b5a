"""The official scores of DCASE Task 2, 2020 to 2025.

2020           AUC and pAUC of each section (there called ID); arithmetic means over the sections of
               a machine type, then over machine types; AUC and pAUC are ranked separately
2021           AUC and pAUC of each section and domain; the harmonic mean of all of them
2022 to 2025   AUC of each section and domain: normal clips of that domain against the anomalous
               clips of both; pAUC of each section, domains pooled; the harmonic mean of all of them
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jax_dns.data.clips import ANOMALY, NORMAL
from jax_dns.evaluation.metrics import auc, harmonic_mean, pauc
from jax_dns.segments_file import Clips

YEARS = (2020, 2021, 2022, 2023, 2024, 2025)
FIGURES = {
    2020: ("AUC", "pAUC"),
    2021: ("AUC (source)", "AUC (target)", "pAUC (source)", "pAUC (target)"),
    2022: ("AUC (source)", "AUC (target)", "pAUC"),
}
Figures = dict[str, float]  # name -> value, a fraction of 1; without those that can't be computed


class OfficialScore(NamedTuple):
    """The score of a year, over all machine types and sections."""

    values: Figures  # 2020: mean AUC and mean pAUC; later: "official score"
    by_figure: Figures  # the mean of each figure by itself
    count: int  # figures that were averaged


def figure_names(year: int) -> tuple[str, ...]:
    """Returns the names of a year's figures of a section."""
    return FIGURES[min(year, 2022)]


def section_figures(clips: Clips, scores: Float[np.ndarray, " c"], year: int) -> dict[int, Figures]:
    """Computes a year's figures of every section.

    Args:
      clips: [c] clips of one machine type.
      scores: [c] their anomaly scores.
      year: 2020 to 2025.

    Returns:
      Section -> figures. A figure is left out if a class has no labelled clips in its section and
      domain.
    """
    figures: dict[int, Figures] = {}
    for section in map(int, np.unique(clips.section)):
        here = clips.section == section
        normal, anomaly = here & (clips.label == NORMAL), here & (clips.label == ANOMALY)
        found: Figures = {}
        for name in figure_names(year):
            kind, _, domain = name.rstrip(")").partition(" (")
            in_domain = clips.domain == domain if domain else np.ones(len(here), bool)
            # From 2022 on, a domain's AUC takes the anomalous clips of both domains.
            rows = normal & in_domain | (anomaly & in_domain if year < 2022 else anomaly)
            value = _area(clips, scores, rows, kind)
            if value is not None:
                found[name] = value
        figures[section] = found
    return figures


def _area(
    clips: Clips, scores: Float[np.ndarray, " c"], rows: Bool[np.ndarray, " c"], kind: str
) -> float | None:
    label = clips.label[rows]
    if NORMAL not in label or ANOMALY not in label:
        return None
    return (auc if kind == "AUC" else pauc)(label, scores[rows])


def kind_of_mean(year: int) -> str:
    """Returns which mean a year takes: "arithmetic" or "harmonic"."""
    return "arithmetic" if year == 2020 else "harmonic"


def mean_figures(figures: Iterable[Figures], kind: str) -> Figures:
    """Returns the arithmetic or harmonic mean of each figure.

    Args:
      figures: of each section; a figure that some sections lack is averaged over the others.
      kind: "arithmetic" or "harmonic".
    """
    values: dict[str, list[float]] = {}
    for section in figures:
        for name, value in section.items():
            values.setdefault(name, []).append(value)
    mean = {"arithmetic": lambda x: float(np.mean(x)), "harmonic": harmonic_mean}[kind]
    return {name: mean(found) for name, found in values.items()}


def official_score(machines: Mapping[str, Mapping[int, Figures]], year: int) -> OfficialScore:
    """Computes the official score of a year.

    Args:
      machines: machine type -> section -> figures, as `section_figures` gives them.
      year: 2020 to 2025.
    """
    every = [figures for sections in machines.values() for figures in sections.values()]
    count = sum(map(len, every))
    if year == 2020:
        by_machine = [
            mean_figures(sections.values(), "arithmetic") for sections in machines.values()
        ]
        means = mean_figures(by_machine, "arithmetic")
        return OfficialScore({f"mean {name}": value for name, value in means.items()}, means, count)
    score = harmonic_mean(value for figures in every for value in figures.values())
    return OfficialScore({"official score": score}, mean_figures(every, "harmonic"), count)
