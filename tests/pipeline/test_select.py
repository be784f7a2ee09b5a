"""Which smoothing is looked at clip by clip."""

import json

import numpy as np
import pytest

from jax_dns import config
from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.results import MethodResult
from jax_dns.pipeline.method_results import MachineResults
from jax_dns.pipeline.select import display_setting
from jax_dns.segments_file import Clips

NONE = np.zeros(0, int)
CLIPS = Clips(NONE.astype(str), NONE, NONE.astype(str), NONE, NONE)


def found_of(values):
    """Results with such values on the development and the evaluation section."""
    return MachineResults(
        CLIPS,
        [
            MethodResult(
                "AE" if k == 0 else "Proposed",
                "K" if k else "",
                k,
                "all" if k else "",
                np.zeros(0),
                [SectionMetrics(section, "all", v, v) for section, v in enumerate(pair)],
                oracle=k > 0,
            )
            for k, pair in values.items()
        ],
    )


@pytest.fixture
def settings():
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    return c


@pytest.mark.parametrize(
    ("values", "size", "words"),
    [
        ({0: (0.5, 0.5), 1: (0.5, 0.5), 2: (0.6, 0.1), 4: (0.55, 0.9)}, 2, "K=2 all, selected"),
        ({0: (0.7, 0.5), 1: (0.7, 0.5), 2: (0.6, 0.1), 4: (0.65, 0.9)}, 4, "selection took K = 1"),
        ({0: (0.7, 0.5), 1: (0.7, 0.5)}, 1, "K=1 all, selected"),
    ],
)
def test_the_selected_or_the_best_that_moves_something(settings, tmp_path, values, size, words):
    candidate, text = display_setting(settings, found_of(values), tmp_path)
    assert candidate.value == size and words in text and "development" in text


def test_an_oracle_is_called_one(settings, tmp_path):
    settings.data.dev_sections = (1,)  # overlap: the choice has seen the answer
    candidate, text = display_setting(settings, found_of({0: (0.7, 0.5), 2: (0.6, 0.6)}), tmp_path)
    assert candidate.value == 2 and "oracle" in text


def test_without_labels_the_setting_once_selected(settings, tmp_path):
    found = found_of({0: (), 2: (), 4: (), 8: ()})
    assert display_setting(settings, found, tmp_path) == (None, "")
    selection = {"format_version": 1, "pooled": {"Proposed": {"value": 7, "data": "all"}}}
    (tmp_path / "selection.json").write_text(json.dumps(selection))
    candidate, text = display_setting(settings, found, tmp_path)
    assert candidate.value == 4 and text == "K=4 all, selected earlier"
