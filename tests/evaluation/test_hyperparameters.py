"""Hyperparameters: chosen on development sections, ties, the oracle."""

import numpy as np
import pytest

from jax_dns.evaluation.hyperparameters import select
from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.results import MethodResult


def candidate(method, size, data, dev, final):
    """A candidate with one value on section 0, another on section 3."""
    found = [
        SectionMetrics(s, d, v, v) for s, v in ((0, dev), (3, final)) for d in ("all", "source")
    ]
    parameter = {"SerialOE": "GMM", "Proposed": "K"}.get(method, "")
    oracle = method == "Proposed"
    return MethodResult(method, parameter, size, data, np.zeros(1), found, oracle)


CANDIDATES = [
    candidate("SerialOE", 4, "all", 0.8, 0.7),
    candidate("SerialOE", 2, "all", 0.8, 0.3),
    candidate("SerialOE", 2, "source", 0.8, 0.4),
    candidate("AE", 0, "", 0.6, 0.5),
    candidate("Proposed", 1, "all", 0.6, 0.5),
    candidate("Proposed", 8, "source", 0.9, 0.55),
    candidate("Proposed", 4, "all", 0.7, 0.95),
]


def chosen(dev=(0,), final=(3,), candidates=CANDIDATES):
    rows = select(candidates, dev_sections=dev, eval_sections=final, pooled=True)
    return {r.label: (r.result.value, r.result.data, round(r.evaluation, 6)) for r in rows}


def test_development_chooses_evaluation_reports():
    assert chosen() == {
        "SerialOE": (2, "source", 0.4),  # ties: fewer clusters, then Source
        "AE": (0, "", 0.5),
        "Proposed": (8, "source", 0.55),
        "Proposed (Oracle)": (4, "all", 0.95),
    }


def test_a_choice_that_has_seen_the_answer_is_called_oracle():
    assert "Proposed" not in chosen(dev=(0, 3), final=(3,))
    assert chosen(dev=(0, 3))["Proposed (Oracle)"][2] == 0.95


def test_rows_that_cannot_be_made_are_left_out():
    only = [c for c in CANDIDATES if c.method != "SerialOE"]
    assert list(chosen(candidates=only)) == ["AE", "Proposed", "Proposed (Oracle)"]
    assert set(chosen(dev=(7,))) == {"AE", "Proposed (Oracle)"}


def test_each_reading_has_its_own_cells():
    metrics = [SectionMetrics(0, "all", 0.9, 0.9)]
    pooled_only = MethodResult("Proposed", "K", 2, "all", np.zeros(1), metrics, oracle=True)
    rows = select([pooled_only], dev_sections=(0,), eval_sections=(3,), pooled=False)
    assert rows == []


@pytest.mark.parametrize(("index", "setting"), [(3, ""), (0, "GMM 4 all"), (5, "K=8 source")])
def test_settings_as_a_person_reads_them(index, setting):
    assert CANDIDATES[index].setting == setting
