"""The benchmark's history is exact, and its clips' times are there."""

import csv
import io

import monitor_times
import numpy as np

from jax_dns.monitor.history import History


def test_the_history_that_is_filled_is_exact(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(monitor_times, "CLUSTER", 100)
    history = History.open(tmp_path, k=monitor_times.K - 100)
    monkeypatch.setattr(monitor_times, "K", monitor_times.K - 100)
    monitor_times.fill(history, 300, rng)
    assert len(history.smoothed("fan", 0).score) == 300
    assert history.check("fan", 0) < 1e-5
    history.close()


def test_times_and_rates_are_printed(tmp_path, monkeypatch, capsys):
    def score(samples, section):
        return np.zeros(7, np.float32), None

    monkeypatch.setattr(monitor_times, "paper_networks", lambda: score)
    monitor_times.main(["--sizes", "1000", "--clips", "2", f"--folder={tmp_path}"])
    text = capsys.readouterr().out
    (row,) = csv.DictReader(io.StringIO(text.partition("\n")[2]))
    assert row["items"] == "1000" and 0 < float(row["median s"]) <= float(row["largest s"]) < 30
    monitor_times.main(["--sustained", "20", f"--folder={tmp_path}"])
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 12 and rows[-1].startswith("20,")
