"""The NumPy form of the rules on draws equals the package's."""

import numpy as np
import pytest
from paper.cells import Cell, CellDraw
from paper.rules_on_draws import ADAPTIVE, EITHER, HALF, choose, fixed, neighbourhood, rate_rules

from jax_dns import smooth, smooth_adaptively, smooth_dose


@pytest.fixture(params=[0.0, 1.0])
def cell(request):
    """100 unlabelled items, 40 of them anomalies in a cluster of their own; 50 known."""
    rng = np.random.default_rng(7)
    anomaly = np.arange(150) < 40
    feature = (rng.normal(size=(150, 5)) + 6 * anomaly[:, None]).astype(np.float32)
    score = rng.normal(size=150) + request.param * anomaly
    return Cell(
        "made",
        "lifted" if request.param else "noise",
        "c",
        "m",
        anomaly,
        score,
        feature,
        score,
        None,
    )


def test_rules_are_the_package_s(cell):
    u, r = np.arange(100), np.arange(100, 150)
    got = rate_rules(cell, CellDraw(u, r))
    a, x = cell.score[u], cell.feature[u]
    centred = ((a - a.mean()) / a.std()).astype(np.float32)
    for k in (2, 16):
        np.testing.assert_allclose(got[fixed(k)], smooth(centred, x, k), atol=1e-5)
    np.testing.assert_allclose(got[HALF], smooth_dose(a, x), atol=1e-5)
    expected = smooth_adaptively(a, x, cell.score[r], cell.feature[r])
    choice = choose(neighbourhood(cell.score, cell.feature, 100))
    assert (choice.k, choice.weight) == (expected.k, expected.weight)
    assert (choice.k > 1) == (cell.system == "lifted")
    assert choice.ratio == pytest.approx(expected.ratio, abs=1e-3)
    assert choice.mix == pytest.approx(expected.mix, rel=1e-4)
    np.testing.assert_allclose(choice.p_value, expected.p_value)
    np.testing.assert_allclose(got[ADAPTIVE], expected.scores, atol=1e-5)


def test_fusion_is_the_package_s(cell):
    u, r = np.arange(100), np.arange(100, 150)
    other = np.random.default_rng(1).normal(size=150) + 2 * cell.anomaly
    got = rate_rules(cell._replace(discriminative=other), CellDraw(u, r))[EITHER]
    expected = smooth_adaptively(
        cell.score[u],
        cell.feature[u],
        cell.score[r],
        cell.feature[r],
        other_scores=other[u],
        known_other_scores=other[r],
    )
    assert expected.weight < 1
    np.testing.assert_allclose(got, expected.scores, atol=1e-5)


def test_few_known_normals_choose_nothing(cell):
    assert choose(neighbourhood(cell.score[:106], cell.feature[:106], 100)).k == 1
