"""Hyperparameters from the development sections, and the oracle from the evaluation sections."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jaxtyping import Float
from numpy import ndarray

from jax_dns.evaluation.metrics import SectionMetrics, summary


class Candidate(NamedTuple):
    """One method with one setting of its hyperparameters, over all test clips of a machine."""

    method: str  # "AE", "SerialOE" or "Proposed"
    size: int  # clusters or K; 0 where there is none
    data: str  # "source" or "all": the GMM's training clips, or the pool; "" where there is none
    scores: Float[ndarray, " c"]
    cells: list[SectionMetrics]

    @property
    def setting(self) -> str:
        """As a person would read it."""
        unit = {"SerialOE": "GMM ", "Proposed": "K="}.get(self.method, "")
        return f"{unit}{self.size} {self.data}".strip() if self.size else ""


class Choice(NamedTuple):
    """A row of Table II for one machine."""

    method: str
    candidate: Candidate
    value: float  # over the evaluation sections, a fraction of 1
    development: float  # over the development sections


def select(
    candidates: Sequence[Candidate],
    *,
    dev_sections: Iterable[int],
    eval_sections: Iterable[int],
    pooled: bool,
) -> list[Choice]:
    """SerialOE, AE, Proposed and Proposed (Oracle), each with its best setting.

    The best has the largest harmonic mean of AUC and pAUC over the development sections; the oracle
    over the evaluation sections. Ties go to the smaller K or fewer clusters, then to Source. Where
    the two sets of sections overlap, the choice has seen the answer: the row is then called oracle.

    Args:
      candidates: all methods and settings of one machine.
      dev_sections: sections whose labels choose.
      eval_sections: sections that are reported.
      pooled: see `metrics.summary`.

    Returns:
      The rows that can be made: a method without candidates, or one to be chosen on sections
      without labels, is left out.
    """
    dev, final = tuple(dev_sections), tuple(eval_sections)

    def value(candidate: Candidate, sections: tuple[int, ...]) -> float:
        return summary(candidate.cells, sections=sections, pooled=pooled)

    def best(method: str, sections: tuple[int, ...]) -> Candidate | None:
        rated = [(value(c, sections), c) for c in candidates if c.method == method]
        rated = [(v, c) for v, c in rated if not math.isnan(v)]
        if not rated:
            return None
        return min(rated, key=lambda r: (-r[0], r[1].size, r[1].data != "source"))[1]

    overlap = bool(set(dev) & set(final))
    rows = [
        ("SerialOE", best("SerialOE", dev)),
        ("AE", next((c for c in candidates if c.method == "AE"), None)),
        ("Proposed", None if overlap else best("Proposed", dev)),
        ("Proposed (Oracle)", best("Proposed", final)),
    ]
    return [
        Choice(name, candidate, value(candidate, final), value(candidate, dev))
        for name, candidate in rows
        if candidate is not None
    ]
