"""The evaluator's files."""

import csv

import numpy as np
import pytest

from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.official_scores import section_figures
from jax_dns.score_files.metric_tables import evaluate_sections
from jax_dns.score_files.official import (
    HEAD_2021,
    anomaly_score_files,
    write_anomaly_scores,
    write_results,
    write_year_results,
)
from jax_dns.score_files.read_scores import read_scores
from jax_dns.segments_file import Clips, clips_of


def test_anomaly_scores_by_section_and_domain(tmp_path):
    clips = Clips(
        np.asarray(["a.wav", "b.wav", "c.wav"]),
        np.asarray([3, 3, 4]),
        np.asarray(["source", "target", "source"]),
        np.zeros(3, np.int8),
        np.arange(3),
    )
    write_anomaly_scores(tmp_path, "fan", clips, np.asarray([0.1, 0.2, 1 / 3]))
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [
        f"anomaly_score_fan_section_{s}_{d}_test.csv"
        for s, d in (("03", "source"), ("03", "target"), ("04", "source"))
    ]
    (row,) = rows_of(tmp_path / names[2])
    assert row[0] == "c.wav" and float(row[1]) == 1 / 3


def rows_of(path):
    return list(csv.reader(path.read_text().splitlines()))


def read_cells(path):
    """The cells of a result.csv, by machine."""
    found, machine = {}, None
    for row in rows_of(path):
        if len(row) == 1:
            machine = row[0]
        elif row and row[0].isdigit():
            cell = SectionMetrics(int(row[0]), row[1], float(row[2]), float(row[3]))
            found.setdefault(machine, []).append(cell)
    return found


def test_results_have_the_official_shape_and_means(shared, tmp_path):
    official = shared / "metrics/mimii_due_ae_scores/result.csv"
    found = read_cells(official)
    assert sum(map(len, found.values())) == 30
    write_results(tmp_path, found)
    ours, theirs = map(rows_of, (tmp_path / "result.csv", official))
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    for a, b in zip(ours, theirs):
        if len(a) > 2 and a[2] != "AUC":
            assert [float(x) for x in a[2:4]] == pytest.approx([float(x) for x in b[2:4]], 1e-12)
            assert a[4:] == ["", "", ""]


def test_pooled_cells_do_not_count(tmp_path):
    write_results(
        tmp_path,
        {"fan": [SectionMetrics(0, "all", 0.9, 0.9), SectionMetrics(0, "source", 0.5, 0.5)]},
    )
    rows = rows_of(tmp_path / "result.csv")
    assert tuple(rows[1]) == HEAD_2021 and rows[2][:3] == ["00", "source", "0.5"]
    assert rows[-1][2] == "0.5"


def test_written_scores_read_back_the_same(rng, tmp_path):
    scores = {
        "fan": rng.normal(size=6) * 10.0 ** np.arange(-150, 150, 50),
        "my_pump": rng.normal(size=6) / 3,
    }
    names = np.asarray([f"section_0{i // 3}_test_{i}.wav" for i in range(6)])
    domain = np.asarray(["source", "target", "source", "", "", ""])
    clips = Clips(names, np.arange(6) // 3, domain, np.full(6, -1, np.int8), np.arange(6))
    for machine, values in scores.items():
        write_anomaly_scores(tmp_path, machine, clips, values)
    found = read_scores(tmp_path)
    for machine, values in scores.items():
        rows = found[machine]
        back = dict(zip(rows.clip.tolist(), zip(rows.score, rows.section, rows.domain)))
        assert back == dict(zip(names.tolist(), zip(values, clips.section, domain)))


def test_a_retrained_baselines_scores(shared):
    """The figures of the baseline's own evaluation of these scores, from its result.csv."""
    folder = shared / "metrics/mimii_due_ae_scores"
    scores = read_scores(folder)
    assert list(scores) == ["fan"]
    by_domain, pooled = evaluate_sections(scores["fan"])
    assert by_domain.metrics == SectionMetrics(0, "source", 0.6675, 0.5694736842105264)
    assert by_domain[2:5] == (100, 100, 0)
    assert pooled.metrics == by_domain.metrics._replace(domain="all")
    assert read_cells(folder / "result.csv")["fan"][0] == by_domain.metrics


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2020, {"fan_id_03.csv": "abc"}),
        (2021, {"fan_section_03_source_test.csv": "ac", "fan_section_03_target_test.csv": "b"}),
        (2022, {"fan_section_03.csv": "abc"}),
        (2023, {"fan_section_03_test.csv": "abc"}),
        (2025, {"fan_section_03_test.csv": "abc"}),
    ],
)
def test_files_are_named_as_in_their_year(year, expected):
    domain = np.asarray(["source", "target", "source"])
    clips = Clips(np.asarray(list("abc")), np.full(3, 3), domain, np.zeros(3, int), np.arange(3))
    files = anomaly_score_files("fan", clips, np.arange(3.0), year=year)
    assert {name.removeprefix("anomaly_score_"): text[::6] for name, text in files.items()} == (
        expected
    )


def test_a_published_result_of_2022(shared, tmp_path):
    """Every figure as the authors of the system printed it, and their means to 14 digits."""
    folder = shared / "dcase2022_dev_scores/gmm"
    figures = {
        machine: section_figures(clips_of(rows), rows.score, 2022)
        for machine, rows in read_scores(folder).items()
    }
    write_year_results(tmp_path, figures, 2022)
    ours, theirs = (
        [row for row in rows_of(path / "result.csv") if row] for path in (tmp_path, folder)
    )
    for a, b in zip(ours[:42], theirs[:42]):
        assert a[0] == b[0] and len(a) == len(b)
        if a[0].isdigit():
            assert a == b
        elif "mean" in a[0]:
            assert list(map(float, a[1:])) == pytest.approx(list(map(float, b[1:])), rel=1e-14)
    assert len([row for row in ours if row[0].isdigit()]) == 21
    # The last rows of the authors average the machine types' means; ours are the official score.
    assert float(ours[-1][1]) == pytest.approx(0.6779306781980121, abs=1e-12)
