"""Shares of the oracle's gain and the null test, at a tiny size on made data."""

import adaptive_gain
import numpy as np
from paper.cells import Cell


def cell(cluster, machine="m", system="s"):
    rng = np.random.default_rng(ord(cluster))
    anomaly = np.arange(90) % 3 == 0
    feature = rng.normal(size=(90, 4)) + 5 * anomaly[:, None]
    score = rng.normal(size=90) + anomaly
    return Cell("made", system, cluster, machine, anomaly, score, feature, score, None)


def test_shares_are_of_summed_gains_and_intervals_of_clusters():
    cells = [cell("a"), cell("b"), cell("b")]
    rule = adaptive_gain.ADAPTIVE
    gains = [
        adaptive_gain.Gains(0, {rule: 0.02, adaptive_gain.ORACLE: 0.04}),
        adaptive_gain.Gains(1, {rule: 0.10, adaptive_gain.ORACLE: 0.10}),
        adaptive_gain.Gains(2, {rule: -0.03, adaptive_gain.ORACLE: 0.04}),
    ]
    table = adaptive_gain.gain_table(cells, gains, [rule])
    row = table.rows[0]
    assert row[2] == "3.0 (2.0 to 3.5)"  # means of either cluster are the ends
    assert row[3] == "50.0 (50.0 to 50.0)"
    assert row[4] == "33.3 (0.0 to 50.0)" and row[5:] == ["-3.0", "3"]


def test_variants_and_null_test_run(capsys, monkeypatch, tmp_path):
    cells = [cell("a", "fansource"), cell("a", "fantarget"), cell("b", "fansource")]
    monkeypatch.setattr(adaptive_gain, "load_cells", lambda data, workdirs: cells)
    adaptive_gain.main(["--data", str(tmp_path), "--draws", "1"])
    lines = capsys.readouterr().out.splitlines()
    rules = [line.split("|")[2].strip() for line in lines if line.startswith("| made")]
    # A draw has 60 items.
    expected = [r for r in (*adaptive_gain.RULES, adaptive_gain.ORACLE) if r != "K = 64"]
    expected += [*adaptive_gain.VARIANTS, *adaptive_gain.TRANSFERS, "scores", "features"]
    assert rules == expected
    oracle = next(line for line in lines if f" {adaptive_gain.ORACLE} " in line)
    assert "100.0 (100.0 to 100.0)" in oracle
    last = [line for line in lines if line.startswith("| made")][-1]
    assert float(last.split("|")[3]) >= 66  # of three cells, features permuted
