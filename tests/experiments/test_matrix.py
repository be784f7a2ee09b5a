"""The cross-table on tiny segments and score files."""

import csv

import matrix
import numpy as np

from jax_dns import smooth
from jax_dns.evaluation.metrics import section_metrics, summary
from jax_dns.segments_file import Segments, clip_mean, clips_of, write_segments


def segments(seed):
    """Two sections, both domains; 12 clips each of two segments, anomalies scored higher."""
    rng = np.random.default_rng(seed)
    clips = [
        (s, d, f"section_{s:02d}_{d}_test_{w}_{i:04d}.wav", int(w == "anomaly"))
        for s in (0, 1)
        for d in ("source", "target")
        for w in ("normal", "anomaly")
        for i in range(6)
    ]
    section, domain, name, label = (np.repeat(x, 2) for x in map(np.asarray, zip(*clips)))
    n = len(name)
    feature = (label[:, None] + rng.normal(size=(n, 3))).astype(np.float32)
    return Segments(
        name,
        np.tile([0, 1], n // 2).astype(np.int32),
        section.astype(np.int32),
        domain,
        np.full(n, "test"),
        label.astype(np.int8),
        (label + rng.normal(size=n)).astype(np.float32),
        feature,
    )


def call(tmp_path, *arguments):
    options = ["--dev-sections", "0", "--eval-sections", "1", "--draws", "20"]
    matrix.main([*map(str, arguments), "--out", str(tmp_path / "out"), *options])
    with (tmp_path / "out/matrix.csv").open() as file:
        return list(csv.DictReader(file))


def test_cells_of_segments_and_only_what_is_missing(tmp_path, capsys, monkeypatch):
    files = [tmp_path / machine / "segments.npz" for machine in ("fan", "pump")]
    for seed, file in enumerate(files):
        one = segments(seed)
        write_segments(file, one, score_other=-one.score)
    rows = call(tmp_path, "--segments", *files, "--rules", "Eq. 7", "attention")
    assert [(r["scorer"], r["rule"]) for r in rows] == [
        (s, r) for s in ("score", "score_other") for r in ("none", "Eq. 7", "attention")
    ]
    means = []
    for seed in (0, 1):  # the scorer alone, and Eq. 7's best of all settings, by hand
        test = segments(seed)
        clips = clips_of(test)
        values = [summary(section_metrics(clips, clip_mean(clips, test.score)), **REPORTED)]
        for pool in (test.domain == "source", np.ones(len(clips.row), bool)):
            for k in (1, 2, 4, 8, 16):
                if k - 1 < min(np.bincount(test.section, weights=pool)):
                    scores = smooth(test.score, test.feature, k, groups=test.section, pool=pool)
                    metrics = section_metrics(clips, clip_mean(clips, scores))
                    values.append(summary(metrics, **REPORTED))
        means.append((values[0], max(values[1:])))
    alone, oracle = 100 * np.mean(means, axis=0)
    np.testing.assert_allclose(float(rows[0]["pooled"]), alone, atol=0.006)
    np.testing.assert_allclose(float(rows[1]["oracle_pooled"]), oracle, atol=0.006)
    assert float(rows[1]["low"]) <= float(rows[1]["high"])
    assert rows[0]["difference"] == rows[0]["difference_low"] == "0.00"
    assert "| score | feature | Eq. 7 |" in capsys.readouterr().out
    assert (tmp_path / "out/matrix.png").stat().st_size > 5_000
    computed = []
    real = matrix.compute_cell
    monkeypatch.setattr(
        matrix, "compute_cell", lambda data, *rest: computed.append(data) or real(data, *rest)
    )
    assert call(tmp_path, "--segments", *files, "--rules", "Eq. 7", "attention") == rows
    assert computed == []
    call(tmp_path, "--segments", *files, "--rules", "Eq. 7", "mutual")
    assert len(computed) == 4  # two machine types, two scorers


def test_seeds_of_a_machine_type_are_averaged(tmp_path):
    files = [tmp_path / f"seed_{seed}/fan/segments.npz" for seed in (0, 1)]
    for seed, file in enumerate(files):
        file.parent.mkdir(parents=True)
        write_segments(file, segments(seed))
    (row,) = call(tmp_path, "--segments", *files, "--rules")
    values = []
    for seed in (0, 1):
        test = segments(seed)
        clips = clips_of(test)
        values.append(summary(section_metrics(clips, clip_mean(clips, test.score)), **REPORTED))
    assert row["machines"] == "2"
    np.testing.assert_allclose(float(row["pooled"]), 100 * np.mean(values), atol=0.006)


REPORTED = dict(sections=(1,), pooled=True)


def test_score_files_are_joined_by_name(tmp_path):
    test = segments(0)
    names, first = np.unique(test.clip, return_index=True)
    for section in (0, 1):
        for domain in ("source", "target"):
            file = tmp_path / f"ae/anomaly_score_fan_section_{section:02d}_{domain}_test.csv"
            file.parent.mkdir(exist_ok=True)
            rows = [i for i in first if (test.section[i], test.domain[i]) == (section, domain)]
            file.write_text("".join(f"{test.clip[i]},{test.score[i]}\n" for i in rows))
    order = np.random.default_rng(0).permutation(len(names))
    np.savez(tmp_path / "f.npz", name=names[order], feature=test.feature[first][order])
    source = ["--scores", f"ae={tmp_path / 'ae'}", "--features", f"x={tmp_path / 'f.npz'}"]
    rows = call(tmp_path, *source, "--rules", "Eq. 7")
    clips = clips_of(test.where(first))
    expected = summary(section_metrics(clips, test.score[first].astype(float)), **REPORTED)
    np.testing.assert_allclose(float(rows[0]["pooled"]), 100 * expected, atol=0.006)
    assert (rows[0]["scorer"], rows[0]["space"], rows[0]["machines"]) == ("ae", "x", "1")
