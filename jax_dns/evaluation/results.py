"""The record of one method in one setting, and the suffixes of rows' names."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.evaluation.metrics import SectionMetrics

ORACLE_SUFFIX = " (Oracle)"  # of a row whose setting was chosen on the evaluation sections

SMOOTHED_SUFFIX = ", smoothed"  # of a baseline's smoothed form
BASELINES = {  # inlier models that serve as baselines, as tables name them
    "knn": "k-NN",
    "mahalanobis": "Mahalanobis",
    "lof": "LOF",
    "kmeans": "k-means",
}


class MethodResult(NamedTuple):
    """Clip scores of one method in one setting, for the test clips of one machine type."""

    method: str  # as tables name it
    parameter: str  # what `value` is: "K", "GMM" (its components); "" if nothing is to be chosen
    value: float | int  # of the parameter; 0 without one
    data: str  # "source" or "all": the domains used to fit, or to find neighbours; "" for neither
    scores: Float[np.ndarray, " c"]  # anomaly scores, in the order of `segments_file.clips_of`
    metrics: Sequence[SectionMetrics] = ()
    oracle: bool = False  # whether tables also show the best setting on the evaluation sections

    @property
    def is_fixed(self) -> bool:
        """Returns whether the method has nothing to choose: neither a parameter nor data."""
        return not self.parameter and not self.data

    @property
    def is_baseline(self) -> bool:
        """Returns whether the method is a baseline, or the smoothed form of one."""
        return is_baseline(self.method)

    @property
    def setting(self) -> str:
        """Returns the setting as tables show it: "K=16 all", "GMM 2 all", "" for a fixed method."""
        if not self.parameter:
            return self.data
        separator = "=" if len(self.parameter) == 1 else " "
        return f"{self.parameter}{separator}{self.value} {self.data}".strip()


def is_baseline(method: str) -> bool:
    """Returns whether a method's name is that of a baseline, or of the smoothed form of one."""
    return method in BASELINES.values() or method.endswith(SMOOTHED_SUFFIX)


def methods_of(results: Iterable[MethodResult]) -> list[str]:
    """Returns the names of the methods, in the order in which they first occur."""
    return list(dict.fromkeys(result.method for result in results))


def baseline(results: Iterable[MethodResult]) -> MethodResult | None:
    """Returns the generative score: the first result with nothing to choose; None without one."""
    return next((result for result in results if result.is_fixed), None)
