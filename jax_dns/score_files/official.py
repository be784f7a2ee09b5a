"""The files of DCASE's evaluators: anomaly scores and result.csv.

The decision columns of result.csv (precision, recall, F1 score) stay empty: no threshold is chosen.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jax_dns.evaluation.metrics import POOLED, SectionMetrics, harmonic_mean
from jax_dns.evaluation.official_scores import (
    Figures,
    figure_names,
    kind_of_mean,
    mean_figures,
    official_score,
)
from jax_dns.evaluation.tables import to_csv
from jax_dns.files import write_text
from jax_dns.score_files.clip_names import file_name
from jax_dns.segments_file import Clips

HEAD_2021 = ("section", "domain", "AUC", "pAUC", "precision", "recall", "F1 score")
MEANS: tuple[tuple[str, Callable[[list[float]], float]], ...] = (
    ("arithmetic mean", lambda values: float(np.mean(values))),
    ("harmonic mean", harmonic_mean),
)


def anomaly_score_files(
    machine: str, clips: Clips, scores: Float[np.ndarray, " c"], *, year: int = 2021
) -> dict[str, str]:
    """Formats the scores of a machine type as official files.

    Args:
      machine: machine type.
      clips: [c] its clips.
      scores: [c] anomaly scores.
      year: whose naming to follow; 2021 has a file for each section and domain, the other years one
        for each section.

    Returns:
      Name of the file -> lines of name,score. Floats are written so that they read back the same.
    """
    files = {}
    domains = np.unique(clips.domain) if year == 2021 else [""]
    for section in np.unique(clips.section):
        for domain in domains:
            here = clips.section == section
            rows = np.flatnonzero(here & (clips.domain == domain) if year == 2021 else here)
            if len(rows):
                name = file_name("anomaly_score", machine, int(section), str(domain), year)
                files[name] = to_csv((clips.name[i], repr(float(scores[i]))) for i in rows)
    return files


def write_anomaly_scores(
    folder: Path, machine: str, clips: Clips, scores: Float[np.ndarray, " c"]
) -> None:
    """Writes the files of `anomaly_score_files`, named as in 2021."""
    for name, text in anomaly_score_files(machine, clips, scores).items():
        write_text(folder / name, text)


def write_results(folder: Path, metrics: Mapping[str, Sequence[SectionMetrics]]) -> None:
    """Writes `result.csv` in the form of 2021: machine types with their sections, and means.

    Args:
      folder: to write to.
      metrics: machine type -> metrics by section and domain; those of pooled domains don't count.
    """
    lines: list[Sequence] = []
    every: list[SectionMetrics] = []
    for machine, found in metrics.items():
        by_domain = sorted(
            (m for m in found if m.domain != POOLED), key=lambda m: (m.domain, m.section)
        )
        if not by_domain:
            continue
        every.extend(by_domain)
        lines += [(machine,), HEAD_2021]
        lines += [(f"{m.section:02d}", m.domain, m.auc, m.pauc, "", "", "") for m in by_domain]
        lines += [(name, "", *_means(by_domain, mean), "", "", "") for name, mean in MEANS] + [()]
    if every:
        lines.append(("", "", *HEAD_2021[2:]))
        lines += [
            (f"{name} over all machine types, sections, and domains", "", *_means(every, mean))
            + ("", "", "")
            for name, mean in MEANS
        ]
    write_text(folder / "result.csv", to_csv(lines))


def write_year_results(
    folder: Path, machines: Mapping[str, Mapping[int, Figures]], year: int
) -> None:
    """Writes `result.csv` with the figures of a year, their means, and the official score.

    Args:
      folder: to write to.
      machines: machine type -> section -> figures, as `official_scores.section_figures` gives them.
      year: 2020 to 2025; for the evaluator's form of 2021 see `write_results`.
    """
    names = figure_names(year)

    def line(first: str, figures: Figures) -> tuple:
        return (first, *(figures.get(name, "") for name in names))

    lines: list[Sequence] = []
    for machine, sections in machines.items():
        lines += [(machine,), ("id" if year == 2020 else "section", *names)]
        lines += [line(f"{section:02d}", figures) for section, figures in sections.items()]
        kinds = ["arithmetic"] if year == 2020 else ["arithmetic", "harmonic"]
        lines += [line(f"{k} mean", mean_figures(sections.values(), k)) for k in kinds] + [()]
    score = official_score(machines, year)
    lines.append(
        line(f"{kind_of_mean(year)} mean over all machine types and sections", score.by_figure)
    )
    lines += [(name, value) for name, value in score.values.items()]
    write_text(folder / "result.csv", to_csv(lines))


def _means(
    metrics: Sequence[SectionMetrics], mean: Callable[[list[float]], float]
) -> tuple[float, float]:
    return mean([m.auc for m in metrics]), mean([m.pauc for m in metrics])
