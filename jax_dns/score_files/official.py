"""The DCASE 2021 Task 2 evaluator's files: anomaly scores and result.csv.

The decision columns of result.csv (precision, recall, F1 score) stay empty: no threshold is chosen.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jax_dns.evaluation.metrics import POOLED, SectionMetrics, harmonic_mean
from jax_dns.evaluation.tables import to_csv
from jax_dns.files import write_text
from jax_dns.score_files.read_scores import file_name
from jax_dns.segments_file import Clips

HEADER = ("section", "domain", "AUC", "pAUC", "precision", "recall", "F1 score")
MEANS = (("arithmetic mean", lambda x: float(np.mean(x))), ("harmonic mean", harmonic_mean))


def anomaly_score_files(
    machine: str, clips: Clips, scores: Float[np.ndarray, " c"]
) -> dict[str, str]:
    """Name and text of each `anomaly_score_<machine>_section_SS_<domain>_test.csv`.

    Args:
      machine: machine type.
      clips: its clips; a file for each section and domain.
      scores: [c] anomaly scores.

    Returns:
      Lines of name,score by the file's name. Floats are written so that they read back the same.
    """
    files = {}
    for section in np.unique(clips.section):
        for domain in np.unique(clips.domain):
            rows = np.flatnonzero((clips.section == section) & (clips.domain == domain))
            if len(rows):
                name = file_name("anomaly_score", machine, int(section), str(domain))
                files[name] = to_csv((clips.name[i], repr(float(scores[i]))) for i in rows)
    return files


def write_anomaly_scores(
    folder: Path, machine: str, clips: Clips, scores: Float[np.ndarray, " c"]
) -> None:
    """Writes the files of `anomaly_score_files`."""
    for name, text in anomaly_score_files(machine, clips, scores).items():
        write_text(folder / name, text)


def write_results(folder: Path, found: Mapping[str, Sequence[SectionMetrics]]) -> None:
    """Writes `result.csv`: machine types with their sections, source first, and means."""
    lines: list[Sequence] = []
    every: list[SectionMetrics] = []
    for machine, machine_cells in found.items():
        by_domain = [c for c in machine_cells if c.domain != POOLED]
        by_domain.sort(key=lambda c: (c.domain, c.section))
        if not by_domain:
            continue
        every.extend(by_domain)
        lines += [(machine,), HEADER]
        lines += [(f"{c.section:02d}", c.domain, c.auc, c.pauc, "", "", "") for c in by_domain]
        lines += [(name, "", *_means(by_domain, mean), "", "", "") for name, mean in MEANS] + [()]
    if every:
        lines.append(("", "", *HEADER[2:]))
        lines += [
            (f"{name} over all machine types, sections, and domains", "", *_means(every, mean))
            + ("", "", "")
            for name, mean in MEANS
        ]
    write_text(folder / "result.csv", to_csv(lines))


def _means(found: Sequence[SectionMetrics], mean) -> tuple[float, float]:
    return mean([c.auc for c in found]), mean([c.pauc for c in found])
