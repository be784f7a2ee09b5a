"""The example on someone else's features: its split, its table, and the same by command line."""

import csv

import numpy as np
import own_scores
import pytest
from sklearn.metrics import roc_auc_score

from jax_dns import cli
from jax_dns.score_files.metric_tables import evaluate_sections
from jax_dns.score_files.read_scores import read_scores


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Two products at two SNRs, anomalies shifted; one column is constant."""
    rng = np.random.default_rng(5)
    n = 160
    anomaly = (np.arange(n) % 5 == 3).astype(np.int8)
    x = rng.normal(size=(n, 2)) @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(n, 6))
    x = (x + anomaly[:, None] * [1, -1, 0, 0, 0, 0]) * [1, 10, 100, 1e-3, 1, 0]
    path = tmp_path_factory.mktemp("own") / "f.npz"
    np.savez(
        path,
        X=x.astype(np.float32),
        anomaly=anomaly,
        product=np.arange(n, dtype=np.int8) % 2 * 4,
        snr_db=np.where(np.arange(n) < 80, 6, 0),
        filename=[f"{i:08d}.wav" for i in range(n)],
    )
    return path


def test_the_table_and_the_command_line_agree(features, tmp_path, capsys):
    out, written = tmp_path / "table", tmp_path / "files"
    arguments = ["--features", features, "--seeds", 2, "--out", out, "--write", written]
    own_scores.main([str(x) for x in arguments])
    printed = capsys.readouterr().out
    assert out.with_suffix(".png").stat().st_size > 10_000
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    ks = sorted({int(row["k"]) for row in rows})
    assert len(rows) == 2 * 2 * 2 * len(ks) and ks[0] == 1
    values = [
        100 * float(r["auc"])
        for r in rows
        if (r["scorer"], r["product"], r["k"]) == ("pca", "4", "4")
    ]
    assert f"{np.mean(values):.2f}±{np.std(values, ddof=1):.2f}" in printed
    smooth = ["smooth", "--scores", written / "pca", "--features", written / "features.npz"]
    assert cli.main([*map(str, smooth), "--k", "4", "--out", str(tmp_path / "smoothed")]) == 0
    ((machine, scores),) = read_scores(tmp_path / "smoothed").items()
    assert machine == "fan"
    aucs = {
        str(r.section): r.metrics.auc for r in evaluate_sections(scores) if r.domain == "source"
    }
    expected = {
        r["product"]: float(r["auc"])
        for r in rows
        if (r["scorer"], r["seed"], r["k"]) == ("pca", "0", "4")
    }
    # Clips that are each other's neighbours tie, but for rounding: a pair or two of 256 may turn.
    assert aucs == pytest.approx(expected, abs=2.5 / 256)


def test_half_of_the_normal_clips_train_and_nothing_else(features):
    with np.load(features) as file:
        arrays = {name: file[name] for name in file.files}
    scored = own_scores.score_clips(arrays, seed=3)
    order = {name: i for i, name in enumerate(arrays["filename"])}
    rows = np.asarray([order[name] for name in scored.filename])
    assert len(set(rows)) == len(rows)
    np.testing.assert_array_equal(arrays["anomaly"][rows], scored.label)
    for product in (0, 4):
        of_product = arrays["product"] == product
        assert set(np.flatnonzero(of_product & (arrays["anomaly"] == 1))) <= set(rows)
        normal = np.flatnonzero(of_product & (arrays["anomaly"] == 0))
        train = np.setdiff1d(normal, rows)
        assert len(train) == len(normal) // 2
        x = arrays["X"].astype(float)
        deviation = x[train].std(0)
        expected = (x - x[train].mean(0)) / np.where(deviation == 0, 1, deviation)
        mask = scored.product == product
        np.testing.assert_allclose(scored.feature[mask], expected[rows[mask]], atol=1e-5)
        for scores in scored.scores.values():
            assert roc_auc_score(scored.label[mask], scores[mask]) > 0.5
    other = own_scores.score_clips(arrays, seed=4)
    assert set(other.filename) != set(scored.filename)
