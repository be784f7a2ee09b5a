"""The rule with known normals and the half dose, against a double loop and the reference tool."""

import sys

import numpy as np
import pytest
from scipy.stats import norm

from jax_dns.errors import InputError
from jax_dns.smoothing import adaptive
from jax_dns.smoothing.adaptive import (
    exchange_within,
    guard_value,
    smooth_adaptively,
)
from jax_dns.smoothing.dose import gaussianise, smooth_dose
from jax_dns.smoothing.separation import permutation_p_value, separations


@pytest.fixture(scope="module")
def tool():
    """The design's reference implementation, where it is at hand."""
    from tests.conftest import SHARED

    path = SHARED.parent / "tools"
    if not (path / "adaptive_dose.py").is_file():
        pytest.skip("no reference implementation beside the project")
    sys.path.insert(0, str(path))
    try:
        import adaptive_dose
    finally:
        sys.path.remove(str(path))
    return adaptive_dose


def clusters(rng, m=60, r=30, share=0.3, lift=1.0, tied=False):
    """Anomalies in a cluster of their own with raised scores, normals in another."""
    anomaly = rng.random(m) < share
    features = rng.normal(size=(m + r, 6)).astype(np.float32)
    features[:m][anomaly, 0] += 6
    scores = rng.normal(size=m + r)
    scores[:m] += lift * anomaly
    if tied:
        scores = np.round(2 * scores) / 2
    return anomaly, scores[:m], features[:m], scores[m:], features[m:]


def loop(a, x, b, z):
    """Delta, s and candidates by loops over items, in float64."""
    m, n = len(a), len(a) + len(b)
    every, points = np.r_[a, b], np.r_[x, z].astype(np.float64)
    rank = [np.sum(every < s) + (np.sum(every == s) + 1) / 2 for s in every]
    g = norm.ppf((np.asarray(rank) - 0.5) / n)

    def z_of(v):
        return (v - v.mean()) / v.std()

    order = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        order.append(sorted(others, key=lambda j: ((points[i] - points[j]) ** 2).sum()))
    candidates, settings = [z_of(g)], [(1, 1.0)]
    for k in (2, 4, 8, 16, 32, 64, 128, 256):
        if k <= 2 * n // 3:
            mean = np.asarray([np.mean([g[j] for j in order[i][: k - 1]]) for i in range(n)])
            for w in (0.75, 0.5, 0.25, 0.1):
                candidates.append(w * z_of(g) + (1 - w) * z_of(mean))
                settings.append((k, w))

    def placements(c):
        below = [np.mean([(r < u) + (r == u) / 2 for r in c[m:]]) for u in c[:m]]
        above = [np.mean([(u > r) + (u == r) / 2 for u in c[:m]]) for r in c[m:]]
        return np.asarray(below), np.asarray(above)

    first = placements(candidates[0])
    delta, error = [], []
    for c in candidates:
        u, r = (one - other for one, other in zip(placements(c), first))
        delta.append(u.mean())
        error.append(np.sqrt(u.var() / len(u) + r.var() / len(r)))
    return np.asarray(candidates), settings, np.asarray(delta), np.asarray(error), order


@pytest.mark.parametrize("lift", [1.0, 0.0])
def test_the_choice_is_the_double_loops(rng, lift):
    _, a, x, b, z = clusters(rng, lift=lift)
    candidates, settings, delta, error, order = loop(a, x, b, z)
    got = smooth_adaptively(a, x, b, z, level=1.0)
    ratio = (delta[1:] / error[1:]).max()
    chosen = int(np.argmax(np.r_[0, (delta - error)[1:]])) if ratio >= 2.5 else 0
    assert (chosen > 0) == (lift > 0)
    assert (got.k, got.weight) == settings[chosen]
    assert got.ratio == pytest.approx(ratio, abs=1e-4)
    np.testing.assert_allclose(got.scores, candidates[chosen][:60], atol=1e-6)
    near = [order[i][:11] for i in range(60, 90)]  # min(16, max(2, 90 // 8))
    share = np.mean([[j < 60 for j in neighbours] for neighbours in near])
    assert got.mix == pytest.approx(share / (1 - share) / (60 / 29), rel=1e-5)


def test_delta_and_s_are_the_double_loops(rng):
    _, a, x, b, z = clusters(rng, tied=True)
    candidates = loop(a, x, b, z)[0]
    rounded = np.round(candidates * 4) / 4  # many ties, none of them by rounding
    got = separations(rounded.astype(np.float32), n_unlabelled=60)

    def placements(c):
        below = [np.mean([(r < u) + (r == u) / 2 for r in c[60:]]) for u in c[:60]]
        above = [np.mean([(u > r) + (u == r) / 2 for u in c[:60]]) for r in c[60:]]
        return np.asarray(below), np.asarray(above)

    first = placements(rounded[0])
    for row, c in enumerate(rounded):
        u, r = (one - other for one, other in zip(placements(c), first))
        assert got[0][row] == pytest.approx(u.mean(), abs=1e-6)
        assert got[1][row] == pytest.approx(np.sqrt(u.var() / 60 + r.var() / 30), abs=1e-6)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("m", "r", "lift"), [(60, 30, 1.0), (200, 60, 1.0), (60, 30, 0.0)])
def test_equal_to_the_reference_tool(rng, tool, m, r, lift, tied):
    for _ in range(3):
        _, a, x, b, z = clusters(rng, m, r, lift=lift, tied=tied)
        expected, setting = tool.pu_dose(a, x, b, z)
        got = smooth_adaptively(a, x, b, z, level=1.0)
        if got.mix >= adaptive.MIN_MIX:
            assert (got.k, got.weight) == setting
            np.testing.assert_allclose(got.scores, expected, atol=1e-6)
        assert got.mix == pytest.approx(tool.matching(x, z), rel=1e-5)
        np.testing.assert_allclose(smooth_dose(a, x), tool.low_dose(a, x), atol=1e-6)


def test_smoothing_is_chosen_where_anomalies_have_neighbours(rng):
    anomaly, a, x, b, z = clusters(rng, m=200, r=60)
    got = smooth_adaptively(a, x, b, z)

    def auc(scores):
        return np.mean(scores[anomaly][:, None] > scores[~anomaly][None])

    assert auc(got.scores) > auc(a) + 0.1
    assert got.description.startswith(f"K = {got.k}, w = {got.weight:g} (Delta/s = ")


def test_the_permutation_test_is_the_loops(rng):
    _, a, x, b, z = clusters(rng, m=30, r=20, lift=0.7)
    g, points = gaussianise(np.r_[a, b]), np.r_[x, z].astype(np.float64)
    ks = [2, 8]
    order = [np.argsort(((points - p) ** 2).sum(1)) for p in points]  # itself first
    generator = np.random.default_rng(0)
    differences = []
    for scores in (g, *(generator.permutation(g) for _ in range(39))):
        row = []
        for k in ks:
            means = np.asarray([np.mean(scores[near[1:k]]) for near in order])
            row.append(means[:30].mean() - means[30:].mean())
        differences.append(row)
    values = (differences - np.mean(differences, 0)) / np.std(differences, 0)
    expected = np.mean(values.max(1) >= values[0].max())
    got = permutation_p_value(g, np.r_[x, z], ks, n_unlabelled=30)
    assert 0.025 < got < 0.5
    assert got == pytest.approx(expected)


def test_unrelated_scores_are_kept_where_features_cluster(rng):
    kept = {0.025: 0, 1.0: 0}
    for _ in range(40):
        _, a, x, b, z = clusters(rng, m=60, r=30, share=0.4, lift=0.0)
        for level in kept:
            kept[level] += smooth_adaptively(a, x, b, z, level=level).k == 1
    assert kept[0.025] >= 38 > kept[1.0]


def test_scores_unrelated_to_features_are_kept(rng):
    kept = 0
    for _ in range(30):
        _, a, _, b, _ = clusters(rng, m=200, r=60)
        x, z = (rng.normal(size=(n, 6)).astype(np.float32) for n in (200, 60))
        got = smooth_adaptively(a, x, b, z)
        kept += got.k == 1
        if got.k == 1:
            np.testing.assert_array_equal(np.argsort(got.scores), np.argsort(a))
            assert got.description.startswith("kept a_G: ")
    assert kept >= 28


def test_the_guard_refuses_known_normals_from_elsewhere(rng):
    _, a, x, b, z = clusters(rng, m=200, r=60)
    assert guard_value(x, z) > adaptive.MIN_MIX
    got = smooth_adaptively(a, x, b, z + 40)
    assert got.mix < adaptive.MIN_MIX and got.k == 1
    assert "the known normals lie apart" in got.description


def test_few_known_normals_choose_nothing(rng):
    _, a, x, b, z = clusters(rng)
    got = smooth_adaptively(a, x, b[:3], z[:3])
    assert got.k == 1 and "3 known normals, expected" in got.description
    assert "nan" not in got.description
    np.testing.assert_array_equal(np.argsort(got.scores), np.argsort(a))


def test_settings_out_of_range_are_refused(rng):
    _, a, x, b, z = clusters(rng)
    with pytest.raises(InputError, match="gate: 0"):
        smooth_adaptively(a, x, b, z, gate=0.0)
    with pytest.raises(InputError, match=r"level: 0\.01, expected 0\.025"):
        smooth_adaptively(a, x, b, z, level=0.01)


def test_a_part_exchanges_its_values_in_the_new_order():
    before = np.asarray([1.0, 5.0, 3.0, 10.0, 30.0, 20.0])
    after = np.asarray([0.2, 0.1, 0.3, -1.0, -1.0, -2.0])
    got = exchange_within(before, after, np.asarray([0, 0, 0, 1, 1, 1]))
    np.testing.assert_allclose(got, [3, 1, 5, 25, 25, 10])


def test_another_score_is_taken_where_it_separates_better(rng):
    anomaly, a, x, b, z = clusters(rng, m=200, r=60)
    other, known_other = rng.normal(size=200) + 3 * anomaly, rng.normal(size=60)
    noise, noise_z = (rng.normal(size=x.shape).astype(np.float32) for x in (x, z))
    got = smooth_adaptively(
        a, noise, b, noise_z, other_scores=other, known_other_scores=known_other
    )
    g, d = gaussianise(np.r_[a, b]), gaussianise(np.r_[other, known_other])
    g, d = ((v - v.mean()) / v.std() for v in (g, d))
    assert got.k == 1 and got.weight in (0.5, 0.25, 0.1, 0)
    np.testing.assert_allclose(got.scores, (got.weight * g + (1 - got.weight) * d)[:200], atol=1e-5)
    assert got.description.startswith(f"mixed with the other score, w = {got.weight:g} (")
    # A score that separates nothing changes nothing.
    alone = smooth_adaptively(a, x, b, z)
    noise = dict(other_scores=rng.normal(size=200), known_other_scores=rng.normal(size=60))
    np.testing.assert_array_equal(smooth_adaptively(a, x, b, z, **noise).scores, alone.scores)
    assert alone.k > 1
