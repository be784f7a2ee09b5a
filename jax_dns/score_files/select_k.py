"""K by labels: the harmonic mean of AUC and pAUC over a grid, and the best of it."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.data.clips import UNKNOWN
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import POOLED, section_metrics, summary
from jax_dns.evaluation.tables import Table, percent, to_text
from jax_dns.segments_file import Clips

READINGS = {True: "domains pooled", False: "each section and domain"}


class SelectedK(NamedTuple):
    """The best K, and the figures that it was chosen by; fractions of 1."""

    k: int
    sections: list[int]  # whose labels chose
    others: list[int]  # labelled sections that had no part in it
    figures: list[tuple[int, float, float]]  # K, mean over `sections`, over `others` (NaN if none)

    @property
    def how(self) -> str:
        """Returns on which labels K was chosen, and whether the same labels evaluate it."""
        if self.others:
            return f"chosen on {_named(self.sections)}"
        return "chosen on the labels that also evaluate it: an oracle"


def best_k(
    clips: Clips,
    ks: Sequence[int],
    scores: Float[np.ndarray, "k c"],
    *,
    sections: Sequence[int] | None = None,
    pooled: bool = True,
) -> SelectedK:
    """Returns the K with the largest harmonic mean of AUC and pAUC; ties go to the smaller.

    Args:
      clips: one machine type's, with labels.
      ks: the Ks.
      scores: [len(ks), c] clip scores smoothed with each.
      sections: sections whose labels choose; None: all that have labels of both classes.
      pooled: see `metrics.summary`.

    Raises:
      InputError: no labels to choose by, or none in a section that should choose.
    """
    metrics = [section_metrics(clips, row) for row in scores]
    labelled = sorted({m.section for m in metrics[0] if (m.domain == POOLED) == pooled})
    if not labelled:
        raise InputError(
            "--k auto: no section has labelled clips of both classes (expected names with normal "
            "and anomaly, or --ground-truth; without labels give K a number)"
        )
    choosing = labelled if sections is None else sorted(set(sections))
    missing = [section for section in choosing if section not in labelled]
    if missing:
        raise InputError(
            f"--select-sections: {_named(missing)} without labels of both classes "
            f"(labelled: {_named(labelled)})"
        )
    others = [section for section in labelled if section not in choosing]
    figures = [
        (
            k,
            summary(of_k, sections=choosing, pooled=pooled),
            summary(of_k, sections=others, pooled=pooled),
        )
        for k, of_k in zip(ks, metrics)
    ]
    return SelectedK(min(figures, key=lambda r: (-r[1], r[0]))[0], choosing, others, figures)


def k_table(selected: SelectedK, *, title: str, pooled: bool = True) -> str:
    """Formats the figures over K, with the chosen one marked."""
    sets = [selected.sections, selected.others] if selected.others else [selected.sections]
    rows = [
        [
            str(k),
            *(percent([value]) for value in values[: len(sets)]),
            "chosen" if k == selected.k else "",
        ]
        for k, *values in selected.figures
    ]
    caption = f"{title}: harmonic mean of AUC and pAUC [%] over K, {READINGS[pooled]}"
    return to_text(Table(["K", *map(_named, sets), ""], rows, caption))


def before_and_after(
    clips: Clips, before: Float[np.ndarray, " c"], after: Mapping[int, Float[np.ndarray, " c"]]
) -> str:
    """Formats the harmonic mean of AUC and pAUC before and after smoothing; "" without labels.

    Args:
      clips: [c] clips of one machine type.
      before: [c] their scores.
      after: K -> [c] smoothed scores; 0 for a K of each group's own.
    """
    names = {k: f"K = {k}" if k else "adaptive" for k in after}
    columns = {"before": before} | {names[k]: scores for k, scores in after.items()}
    metrics = [section_metrics(clips, scores) for scores in columns.values()]
    rows = []
    for pooled, reading in READINGS.items():
        sections = {m.section for m in metrics[0]}
        values = [summary(found, sections=sections, pooled=pooled) for found in metrics]
        if not math.isnan(values[0]):
            rows.append([reading, *(percent([value]) for value in values)])
    head = ["harmonic mean of AUC and pAUC [%]", *columns]
    return to_text(Table(head, rows)) if rows else ""


def _named(sections: Sequence[int]) -> str:
    if list(sections) == [UNKNOWN]:
        return "all clips"
    return f"sections {','.join(f'{section:02d}' for section in sections)}"
