"""The table of public scores on made score files, against figures by scikit-learn."""

import csv

import numpy as np
import public_scores
import pytest
from scipy.stats import hmean, rankdata
from sklearn.metrics import roc_auc_score

from jax_dns import smooth
from jax_dns.errors import InputError
from jax_dns.smoothing.adaptive import smooth_adaptively

CLIPS = 20  # of each section, domain and label
METRICS = ({}, {"max_fpr": 0.1})
# Clips that are each other's neighbours tie but for rounding: pairs may turn with the grid of Ks.
ROUNDING = 0.1


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Score files of one system, two sections; section 1's anomalies have no neighbours."""
    folder = tmp_path_factory.mktemp("public")
    rng = np.random.default_rng(1)
    names, features, sections = [], [], {}
    for section in (0, 1):
        parts = []
        for domain in ("source", "target"):
            label = np.repeat([0, 1], CLIPS)
            clips = [
                f"section_{section:02d}_{domain}_test_{('normal', 'anomaly')[y]}_{i:04d}.wav"
                for i, y in enumerate(label)
            ]
            feature = rng.normal(size=(len(label), 3)) + (3 * label[:, None] * (section == 0))
            score = np.round(rng.normal(size=len(label)) + 0.7 * label, 6)
            file = folder / f"ae/anomaly_score_fan_section_{section:02d}_{domain}_test.csv"
            file.parent.mkdir(exist_ok=True)
            file.write_text("".join(f"{c},{s}\n" for c, s in zip(clips, score)))
            names += clips
            features.append(feature.astype(np.float32))
            parts.append((label, score, features[-1]))
        sections[section] = [np.concatenate(column) for column in zip(*parts)]
    feature = np.concatenate(features)
    np.savez(folder / "features.npz", machine=["fan"] * len(names), name=names, feature=feature)
    return folder, sections


def rate(label, scores):
    return [roc_auc_score(label, scores, **options) for options in METRICS]


@pytest.fixture(scope="module")
def rows(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "table"
    public_scores.main(["--data", str(data[0]), "--out", str(out), "--draws", "30"])
    assert "| ae " in out.with_suffix(".md").read_text()
    with out.with_suffix(".csv").open() as file:
        return {row["method"]: row for row in csv.DictReader(file)}


def test_figures_are_harmonic_means_over_sections(data, rows):
    assert list(rows) == list(public_scores.METHODS)
    sections = data[1].values()
    disc = [x.mean(1, dtype=float) for _, _, x in sections]
    expected = {
        "a_G": [rate(y, a) for y, a, _ in sections],
        "K = 4": [rate(y, smooth(a.astype(np.float32), x, 4)) for y, a, x in sections],
        "discriminative": [rate(y, d) for (y, _, _), d in zip(sections, disc)],
        "mean of ranks": [
            rate(y, rankdata(a) + rankdata(d)) for (y, a, _), d in zip(sections, disc)
        ],
    }
    for method, values in expected.items():
        row = rows[method]
        error = ROUNDING if method == "K = 4" else 1e-6
        assert float(row["all"]) == pytest.approx(100 * hmean(np.ravel(values)), abs=error)
        assert float(row["auc"]) == pytest.approx(100 * hmean(np.asarray(values)[:, 0]), abs=error)
        assert float(row["low"]) < float(row["high"])
        gain = float(row["all"]) - float(rows["a_G"]["all"])
        assert float(row["gain"]) == pytest.approx(gain, abs=1e-9)
        assert float(row["gain_low"]) <= float(row["gain_high"])


def test_k_is_chosen_on_the_other_section(data, rows):
    values = {}
    for section, (y, a, x) in data[1].items():
        a = a.astype(np.float32)
        values[section] = {k: rate(y, smooth(a, x, k)) for k in (1, 2, 4, 8, 16, 32, 64)}
    best = {s: max(of_k, key=lambda k: hmean(of_k[k])) for s, of_k in values.items()}
    assert best[0] != best[1]
    reported = values[0][best[1]] + values[1][best[0]]
    assert float(rows["K of others"]["all"]) == pytest.approx(100 * hmean(reported), abs=ROUNDING)
    own = values[0][best[0]] + values[1][best[1]]
    assert float(rows["oracle K"]["all"]) == pytest.approx(100 * hmean(own), abs=ROUNDING)
    assert set(rows["K of others"]["settings"].split("; ")) == {
        f"K = {best[1]}: 1",
        f"K = {best[0]}: 1",
    }


def test_known_normals_are_not_rated(data, rows):
    values = []
    for y, a, x in data[1].values():
        half, generator = np.zeros(len(y), bool), np.random.default_rng(0)
        for domain in (0, 1):
            normal = 2 * CLIPS * domain + np.arange(CLIPS)
            half[generator.permutation(normal)[: CLIPS // 2]] = True
        both = []
        for known in (half, (y == 0) & ~half):
            a = a.astype(np.float32)
            scores = smooth_adaptively(a[~known], x[~known], a[known], x[known]).scores
            both.append(rate(y[~known], scores))
        values.append(np.mean(both, 0))
    assert float(rows["adaptive"]["all"]) == pytest.approx(100 * hmean(np.ravel(values)), abs=1e-6)
    assert "a_G kept" in rows["adaptive"]["settings"]  # section 1


def test_a_folder_without_features_is_one_line(tmp_path):
    (tmp_path / "ae").mkdir()
    with pytest.raises(InputError, match=r"expected folders of score files, and features\.npz"):
        public_scores.main(["--data", str(tmp_path)])
