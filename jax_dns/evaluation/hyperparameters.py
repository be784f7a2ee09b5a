"""Hyperparameters chosen on the development sections, and the oracle on the evaluation sections."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jax_dns.evaluation.metrics import summary
from jax_dns.evaluation.results import ORACLE_SUFFIX, MethodResult, methods_of


class TableRow(NamedTuple):
    """A row of Table II for one machine type: a method in the setting chosen."""

    result: MethodResult
    is_oracle: bool  # whether the setting was chosen on the evaluation sections
    evaluation: float  # harmonic mean over the evaluation sections, a fraction of 1
    development: float  # the same over the development sections

    @property
    def label(self) -> str:
        """Returns the row's name in tables: the method, with a suffix for an oracle."""
        return self.result.method + (ORACLE_SUFFIX if self.is_oracle else "")


def select(
    results: Sequence[MethodResult],
    *,
    dev_sections: Iterable[int],
    eval_sections: Iterable[int],
    pooled: bool,
) -> list[TableRow]:
    """Chooses the best setting of each method.

    The best setting has the largest harmonic mean of AUC and pAUC over the development sections.
    An oracle row, for methods that have one, takes the evaluation sections instead. Ties go to the
    smaller value (of K, of the number of clusters), then to the source domain. Where development
    and evaluation sections overlap, a method with an oracle row has that row alone: its setting
    would be chosen on the sections that are reported.

    Args:
      results: all methods in all settings, for one machine type.
      dev_sections: sections whose labels choose the setting.
      eval_sections: sections that are reported.
      pooled: see `metrics.summary`.

    Returns:
      Rows in the order in which `results` name the methods. A method whose setting can't be chosen,
      because the sections have no labels, has no row.
    """
    dev, final = tuple(dev_sections), tuple(eval_sections)
    overlap = bool(set(dev) & set(final))

    def mean(result: MethodResult, sections: tuple[int, ...]) -> float:
        return summary(result.metrics, sections=sections, pooled=pooled)

    def best(settings: Sequence[MethodResult], sections: tuple[int, ...]) -> MethodResult | None:
        means = [(mean(result, sections), result) for result in settings]
        ranked = [
            (-m, r.value, r.data != "source", i)
            for i, (m, r) in enumerate(means)
            if not math.isnan(m)
        ]
        return settings[min(ranked)[-1]] if ranked else None

    rows = []
    for method in methods_of(results):
        settings = [result for result in results if result.method == method]
        if settings[0].is_fixed:
            rows.append((settings[0], False))
            continue
        has_oracle = settings[0].oracle
        if not (has_oracle and overlap):
            rows.append((best(settings, dev), False))
        if has_oracle:
            rows.append((best(settings, final), True))
    return [
        TableRow(result, is_oracle, mean(result, final), mean(result, dev))
        for result, is_oracle in rows
        if result is not None
    ]
