"""K by labels: the harmonic mean of AUC and pAUC over a grid, and the best of it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.data.clips import UNKNOWN
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import POOLED, section_metrics, summary
from jax_dns.evaluation.tables import Table, percent, to_text
from jax_dns.segments_file import Clips

READINGS = {True: "domains pooled", False: "each section and domain"}


class Chosen(NamedTuple):
    """The best K, and the figures that it was chosen by; fractions of 1."""

    k: int
    sections: list[int]  # whose labels chose
    others: list[int]  # labelled sections that had no part in it
    rated: list[tuple[int, float, float]]  # K, over `sections`, over `others` (NaN for none)

    @property
    def how(self) -> str:
        """What the reader of its score must know."""
        if self.others:
            return f"chosen on {_named(self.sections)}"
        return "chosen on the labels that rate it: an oracle, it has seen the answer"


def best_k(
    clips: Clips,
    ks: Sequence[int],
    scores: Float[np.ndarray, "k c"],
    *,
    sections: Sequence[int] | None = None,
    pooled: bool = True,
) -> Chosen:
    """The K of the largest harmonic mean of AUC and pAUC; ties go to the smaller.

    Args:
      clips: one machine type's, with labels.
      ks: the Ks.
      scores: [len(ks), c] clip scores smoothed with each.
      sections: sections whose labels choose; None: all that have labels of both classes.
      pooled: see `metrics.summary`.

    Returns:
      The choice.

    Raises:
      InputError: no labels to choose by, or none in a section that should choose.
    """
    found = [section_metrics(clips, row) for row in scores]
    labelled = sorted({c.section for c in found[0] if (c.domain == POOLED) == pooled})
    if not labelled:
        raise InputError(
            "--k auto: no section has labelled clips of both classes (expected names with normal "
            "and anomaly, or --ground-truth; without labels give K a number)"
        )
    wanted = labelled if sections is None else sorted(set(sections))
    missing = [section for section in wanted if section not in labelled]
    if missing:
        raise InputError(
            f"--select-sections: {_named(missing)} without labels of both classes "
            f"(labelled: {_named(labelled)})"
        )
    others = [section for section in labelled if section not in wanted]
    rated = [
        (
            k,
            summary(of_k, sections=wanted, pooled=pooled),
            summary(of_k, sections=others, pooled=pooled),
        )
        for k, of_k in zip(ks, found)
    ]
    return Chosen(min(rated, key=lambda r: (-r[1], r[0]))[0], wanted, others, rated)


def k_table(chosen: Chosen, *, title: str, pooled: bool = True) -> str:
    """The figures over K, the chosen one marked."""
    sets = [chosen.sections, chosen.others] if chosen.others else [chosen.sections]
    rows = [
        [
            str(k),
            *(percent([value]) for value in values[: len(sets)]),
            "chosen" if k == chosen.k else "",
        ]
        for k, *values in chosen.rated
    ]
    caption = f"{title}: harmonic mean of AUC and pAUC [%] over K, {READINGS[pooled]}"
    return to_text(Table(["K", *map(_named, sets), ""], rows, caption))


def before_and_after(
    clips: Clips, before: Float[np.ndarray, " c"], after: Float[np.ndarray, " c"]
) -> str:
    """The harmonic mean of AUC and pAUC before and after smoothing; empty without labels."""
    rows = []
    found = [section_metrics(clips, scores) for scores in (before, after)]
    for pooled, reading in READINGS.items():
        sections = {c.section for c in found[0]}
        values = [summary(of, sections=sections, pooled=pooled) for of in found]
        if not math.isnan(values[0]):
            rows.append([reading, *(percent([value]) for value in values)])
    head = ["harmonic mean of AUC and pAUC [%]", "before", "after"]
    return to_text(Table(head, rows)) if rows else ""


def _named(sections: Sequence[int]) -> str:
    if list(sections) == [UNKNOWN]:
        return "all clips"
    return f"sections {','.join(f'{section:02d}' for section in sections)}"
