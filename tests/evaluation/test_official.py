"""The evaluator's files."""

import csv

import numpy as np
import pytest

from jax_dns.artefact import Clips
from jax_dns.evaluation.metrics import Cell
from jax_dns.evaluation.official import HEADER, write_anomaly_scores, write_results


def test_anomaly_scores_by_section_and_domain(tmp_path):
    clips = Clips(
        np.asarray(["a.wav", "b.wav", "c.wav"]), np.asarray([3, 3, 4]),
        np.asarray(["source", "target", "source"]), np.zeros(3, np.int8), np.arange(3),
    )  # fmt: skip
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
            cell = Cell(int(row[0]), row[1], float(row[2]), float(row[3]))
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
    write_results(tmp_path, {"fan": [Cell(0, "all", 0.9, 0.9), Cell(0, "source", 0.5, 0.5)]})
    rows = rows_of(tmp_path / "result.csv")
    assert tuple(rows[1]) == HEADER and rows[2][:3] == ["00", "source", "0.5"]
    assert rows[-1][2] == "0.5"
