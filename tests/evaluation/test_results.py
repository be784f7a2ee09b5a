"""The record of one method in one setting."""

import numpy as np
import pytest

from jax_dns.evaluation.results import MethodResult, baseline, methods_of

NONE = np.zeros(0)


@pytest.mark.parametrize(
    ("parameter", "value", "data", "text"),
    [
        ("", 0, "", ""),
        ("K", 16, "all", "K=16 all"),
        ("GMM", 2, "source", "GMM 2 source"),
        ("beta", 0.25, "", "beta 0.25"),
    ],
)
def test_setting_as_tables_show_it(parameter, value, data, text):
    assert MethodResult("any", parameter, value, data, NONE).setting == text


def test_methods_keep_their_order_and_the_baseline_has_nothing_to_choose():
    results = [
        MethodResult("B", "GMM", 1, "all", NONE),
        MethodResult("C", "", 0, "", NONE),
        MethodResult("A", "K", 1, "all", NONE),
        MethodResult("B", "GMM", 2, "all", NONE),
    ]
    assert methods_of(results) == ["B", "C", "A"]
    assert baseline(results) is results[1]
    assert baseline(results[:1]) is None
