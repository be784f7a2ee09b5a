"""Official scores, against figures that the evaluators and others published."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from jax_dns.evaluation.metrics import harmonic_mean, section_metrics
from jax_dns.evaluation.official_scores import (
    YEARS,
    figure_names,
    mean_figures,
    official_score,
    section_figures,
)
from jax_dns.segments_file import Clips

# The baseline's result in the README of the evaluator of 2020: AUC and pAUC by ID, and "Average".
BASELINE_2020 = {
    "fan": (
        (0.7939877300613497, 0.6181788827897966),
        (0.8663687150837989, 0.6768597471331961),
        (0.869850950290476, 0.7075731309293712),
        (0.8434024651452082, 0.6675372536174548),
    ),
    "valve": (
        (0.57725, 0.5109649122807017),
        (0.5424166666666665, 0.5166666666666667),
        (0.551825, 0.49144736842105263),
        (0.5571638888888889, 0.506359649122807),
    ),
}
# The baseline's (MSE) in the README of the evaluator of 2023: AUC (source), AUC (target), pAUC.
BASELINE_2023 = {
    "bandsaw": (0.6667348190554078, 0.48287671232876717, 0.5091087658743451),
    "grinder": (0.706837186424004, 0.5516569200779727, 0.5846166760294185),
    "shaker": (0.69428983714698, 0.5604118104118104, 0.5491654428600755),
    "ToyDrone": (0.7968000000000001, 0.561, 0.5368421052631579),
    "ToyNscale": (0.77, 0.4716, 0.5178947368421053),
    "ToyTank": (0.7212000000000001, 0.6468, 0.5826315789473684),
    "Vacuum": (0.8816, 0.45320000000000005, 0.5947368421052631),
}


def test_means_of_2020_as_published():
    machines = {}
    for machine, (*ids, average) in BASELINE_2020.items():
        machines[machine] = {i: dict(zip(("AUC", "pAUC"), pair)) for i, pair in enumerate(ids)}
        means = mean_figures(machines[machine].values(), "arithmetic")
        assert tuple(means.values()) == pytest.approx(average, abs=1e-15)
    score = official_score(machines, 2020)
    expected = np.mean([rows[-1] for rows in BASELINE_2020.values()], axis=0)
    assert list(score.values) == ["mean AUC", "mean pAUC"] and score.count == 12
    assert tuple(score.values.values()) == pytest.approx(tuple(expected))


def test_official_score_of_2023_as_published():
    machines = {m: {0: dict(zip(figure_names(2023), row))} for m, row in BASELINE_2023.items()}
    score = official_score(machines, 2023)
    assert score.values == {"official score": pytest.approx(0.5925469043549957, abs=1e-15)}
    assert tuple(score.by_figure.values()) == pytest.approx(
        (0.7423494890244248, 0.5253826834789426, 0.5517419647782388), abs=1e-15
    )


def clips(rng, n=60):
    section = np.repeat([0, 1], n // 2)
    domain = np.where(rng.random(n) < 0.6, "source", "target")
    label = rng.permutation(np.arange(n) % 2).astype(np.int8)
    return Clips(np.asarray([str(i) for i in range(n)]), section, domain, label, np.arange(n))


@pytest.mark.parametrize("year", YEARS)
def test_figures_of_each_year(rng, year):
    given, scores = clips(rng), rng.normal(size=60)
    figures = section_figures(given, scores, year)
    assert list(figures) == [0, 1]
    for section, found in figures.items():
        assert tuple(found) == figure_names(year)
        here = given.section == section
        if year == 2020:
            rows = {"AUC": here, "pAUC": here}
        elif year == 2021:
            rows = {name: here & (given.domain == name[-7:-1]) for name in found}
        else:  # a domain's normal clips against all anomalous ones
            normal = {name: given.domain == name[-7:-1] for name in found if "(" in name}
            rows = {name: here & (r | (given.label == 1)) for name, r in normal.items()}
            rows["pAUC"] = here
        for name, value in found.items():
            pair = given.label[rows[name]], scores[rows[name]]
            limit = 0.1 if name.startswith("pAUC") else None
            assert value == roc_auc_score(*pair, max_fpr=limit)


def test_2021_is_the_mean_by_section_and_domain(rng):
    given, scores = clips(rng), rng.normal(size=60)
    metrics = [m for m in section_metrics(given, scores) if m.domain != "all"]
    score = official_score({"fan": section_figures(given, scores, 2021)}, 2021)
    expected = harmonic_mean(value for m in metrics for value in (m.auc, m.pauc))
    assert score.values["official score"] == pytest.approx(expected)


def test_figures_without_labels_or_domains_are_left_out(rng):
    given, scores = clips(rng), rng.normal(size=60)
    given = given._replace(domain=np.where(given.section == 0, given.domain, ""))
    given.label[given.section == 0] = -1
    assert section_figures(given, scores, 2023) == {
        0: {},
        1: {"pAUC": pytest.approx(section_figures(given, scores, 2020)[1]["pAUC"])},
    }
    assert official_score({"fan": section_figures(given, scores, 2023)}, 2023).count == 1
