"""The report's first sentence."""

import numpy as np
import pytest

from jax_dns import config
from jax_dns.evaluation.bootstrap import Difference
from jax_dns.evaluation.metrics import section_metrics, summary
from jax_dns.evaluation.results import MethodResult
from jax_dns.pipeline.method_results import MachineResults
from jax_dns.pipeline.select import chosen_rows
from jax_dns.report.answer import NO_LABELS, answer, sentence
from jax_dns.segments_file import Clips


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (
            Difference(0.6, 0.588, -0.03, 0.005),
            "X is 1.2 points below AE, 95 % interval −3.0 to 0.5.",
        ),
        (
            Difference(0.5, 0.6, 0.0901, 0.11),
            "X is 10.0 points above AE, 95 % interval 9.0 to 11.0.",
        ),
        (
            Difference(0.5, 0.5004, -0.0004, 0.001),
            "X is as good as AE to 0.1 points, 95 % interval 0.0 to 0.1.",
        ),
    ],
)
def test_in_words(difference, expected):
    assert sentence("AE", "X", difference).replace("\u00a0", " ") == expected


def results(rng, label):
    n = len(label)
    clips = Clips(
        np.asarray([f"{i:03d}" for i in range(n)]),
        np.arange(n) // (n // 2),
        np.full(n, "source"),
        label.astype(np.int8),
        np.arange(n),
    )

    def result(*setting, shift, oracle=False):
        scores = rng.normal(size=n) + shift * label
        return MethodResult(*setting, scores, section_metrics(clips, scores), oracle)

    settings = [result("Smoothed", "K", k, "all", shift=k, oracle=True) for k in (1, 2)]
    return MachineResults(clips, [result("Scorer", "", 0, "", shift=0.5), *settings])


@pytest.fixture
def settings():
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    return c


def test_the_answer_is_that_of_the_table(rng, settings):
    label = np.arange(120) % 2
    runs = {seed: {m: results(rng, label) for m in ("fan", "pump")} for seed in (0, 1)}
    chosen = chosen_rows(settings, runs, "pooled")
    found = answer(settings, runs, chosen)
    means = {}
    for method in ("Scorer", "Smoothed"):
        by_seed = []
        for by_machine in chosen.values():
            values = [
                summary(row.result.metrics, sections=(1,), pooled=True)
                for rows in by_machine.values()
                for row in rows
                if row.label == method
            ]
            by_seed.append(2 / sum(1 / v for v in values))
        means[method] = 100 * np.mean(by_seed)
    gap = means["Smoothed"] - means["Scorer"]
    assert found.sentence.startswith(f"Smoothed is {gap:.1f} points above Scorer, 95\u00a0%")
    assert (
        f"{means['Smoothed']:.1f} % against {means['Scorer']:.1f} %, means of 2 se" in found.detail
    )
    assert "over section 1 and 2 machine types" in found.detail
    assert "includes 0" not in found.detail and "chosen on the sections" not in found.detail


def test_an_oracle_stands_in_and_is_called_one(rng, settings):
    settings.data.dev_sections = (1,)  # overlaps with the evaluation sections
    runs = {0: {"fan": results(rng, np.arange(40) % 2)}}
    found = answer(settings, runs, chosen_rows(settings, runs, "pooled"))
    assert found.sentence.startswith("Smoothed (Oracle) is ")
    assert "The setting was chosen on the sections that evaluate it." in found.detail


def test_without_labels_there_is_no_comparison(rng, settings):
    runs = {0: {"fan": results(rng, np.full(40, -1))}}
    assert answer(settings, runs, chosen_rows(settings, runs, "pooled")) == NO_LABELS
