"""Delays: the fast p-values are the monitor's, smoothing is a loop's, the table adds up."""

import monitor_delay
import numpy as np
from monitor_delay import Known, Stream, ranks_p, smooth_stream

from jax_dns.monitor.decisions import combined_p, conformal_p


def test_p_values_are_the_monitors(rng):
    normals = rng.integers(0, 9, size=(40, 3)).astype(np.float64)  # ties
    values = rng.integers(-1, 12, size=(60, 3)).astype(np.float64)
    by_one = [combined_p(value, normals) for value in values]
    np.testing.assert_array_equal(ranks_p(values, normals), by_one)
    by_one = [conformal_p(float(value), normals[:, 0]) for value in values[:, 0]]
    np.testing.assert_array_equal(ranks_p(values[:, :1], normals[:, :1]), by_one)


def test_smoothing_takes_the_past_and_no_copies(rng, monkeypatch):
    monkeypatch.setattr(monitor_delay, "HISTORY", 12)
    monkeypatch.setattr(monitor_delay, "REFRESH", 5)
    monkeypatch.setattr(monitor_delay, "K", 4)
    t = 40
    origin = rng.integers(0, 15, t)
    feature, score = rng.normal(size=(15, 3))[origin], rng.normal(size=15)[origin]
    stream = Stream(score, score, feature, origin, np.zeros(t, bool))
    known = Known(rng.normal(size=6), np.zeros(6), rng.normal(size=(6, 3)))
    smoothed, of_known = smooth_stream(stream, known)
    for i in range(t):
        past = [j for j in range(max(0, i - 12), i) if origin[j] != origin[i]]
        past.sort(key=lambda j: ((feature[i] - feature[j]) ** 2).sum())
        distances = [((feature[i] - feature[j]) ** 2).sum() for j in past]
        if len(past) > 3 and np.isclose(distances[2], distances[3]):
            continue  # copies of one clip: any of them
        np.testing.assert_allclose(smoothed[i], np.mean([score[i], *score[past[:3]]]))
    assert of_known.shape == (8, 6)
    np.testing.assert_array_equal(of_known[0], known.score)


def test_the_table_of_a_short_synthetic_series(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(monitor_delay, "WEEKS", 0.2)
    monitor_delay.main([f"--out={tmp_path / 'delay'}", "--draws=2"])
    rows = (tmp_path / "delay.csv").read_text().splitlines()
    assert len(rows) == 1 + len(monitor_delay.RULES) * len(monitor_delay.WAYS)
    cells = [row.split(",") for row in rows if "both" in row]
    assert all(row[-1] == "2" for row in cells) and any(row[-3] == "100" for row in cells)
    assert "| synthetic run to failure" in capsys.readouterr().out
