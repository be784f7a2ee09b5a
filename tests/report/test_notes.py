"""Terms explained: named after the methods that there are."""

import numpy as np

from jax_dns.evaluation.results import MethodResult
from jax_dns.report.notes import TERMS, notes

NONE = np.zeros(0)


def test_methods_are_explained_by_what_they_are():
    results = [
        MethodResult("Inlier", "GMM", 2, "all", NONE),
        MethodResult("Scorer", "", 0, "", NONE),
        MethodResult("Smoothed", "K", 2, "all", NONE, oracle=True),
        MethodResult("Weighted", "alpha", 0.5, "all", NONE, oracle=True),
        MethodResult("Adaptive", "", 0, "", NONE),
    ]
    found = dict(notes(results))
    assert list(found)[:5] == ["Inlier", "Scorer", "Smoothed", "Weighted", "Adaptive"]
    assert found["Adaptive"].startswith("Scorer smoothed as far as normal clips")
    assert "inlier model" in found["Inlier"] and "before smoothing" in found["Scorer"]
    assert (
        found["Smoothed"].startswith("Scorer averaged") and "K = 1 is Scorer" in found["Smoothed"]
    )
    assert "alpha and the domains" in found["Weighted"] and "K = 1" not in found["Weighted"]
    assert notes(results)[5:] == list(TERMS)
