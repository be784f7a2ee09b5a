"""The benchmark's history is exact, and its clips' times are there."""

import csv
import io

import monitor_times
import numpy as np

from jax_dns.monitor.history import ClipRecord, History


def test_the_history_that_is_filled_is_exact(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(monitor_times, "CLUSTER", 100)
    history = History.open(tmp_path, k=monitor_times.K - 100)
    monkeypatch.setattr(monitor_times, "K", monitor_times.K - 100)
    monitor_times.fill(history, 300, rng)
    assert len(history.smoothed("fan", 0).score) == 300
    assert history.check("fan", 0) < 1e-5
    history.close()


def test_filling_writes_the_bytes_that_appending_does(tmp_path, monkeypatch):
    """Lists, bounds, smoothed scores and features, of clips that are one cluster each."""
    monkeypatch.setattr(monitor_times, "CLUSTER", 60)
    monkeypatch.setattr(monitor_times, "K", 20)
    histories = [History.open(tmp_path / name, k=20) for name in ("filled", "appended")]
    filled, appended = histories
    monitor_times.fill(filled, 180, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    rng.normal(size=1)  # as `fill` draws for its first clip
    for number in range(3):
        features = monitor_times.centre(number) + rng.normal(size=(60, monitor_times.D))
        clip = ClipRecord(f"{60 * number}", f"{60 * number}", 60.0 * number)
        appended.append("fan", 0, clip, rng.normal(size=60), features)
    for query in ("SELECT * FROM list ORDER BY id", "SELECT id, score, smoothed FROM item"):
        rows = [history.connection.execute(query).fetchall() for history in histories]
        assert len(rows[0]) == 180 and rows[0] == rows[1]
    contents = [
        (tmp_path / name / "features-1.f32").read_bytes() for name in ("filled", "appended")
    ]
    assert contents[0] == contents[1]
    for history in histories:
        history.close()


def test_times_and_rates_are_printed(tmp_path, monkeypatch, capsys):
    def score(samples, section):
        return np.zeros(7, np.float32), None

    monkeypatch.setattr(monitor_times, "paper_networks", lambda: score)
    monitor_times.main(["--sizes", "1000", "--clips", "2", f"--folder={tmp_path}"])
    text = capsys.readouterr().out
    (row,) = csv.DictReader(io.StringIO(text.partition("\n")[2]))
    assert row["items"] == "1000" and 0 < float(row["median s"]) <= float(row["largest s"]) < 30
    for option in ([], ["--no-networks"]):
        monitor_times.main(["--sustained", "10", f"--folder={tmp_path}", *option])
        rows = capsys.readouterr().out.splitlines()
        assert len(rows) == 12 and rows[-1].startswith("10,")
