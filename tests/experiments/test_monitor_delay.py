"""Delays: the table of a short series adds up."""

import monitor_delay
from paper import delay_streams


def test_the_table_of_a_short_synthetic_series(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(delay_streams, "WEEKS", 0.2)
    monitor_delay.main([f"--out={tmp_path / 'delay'}", "--draws=2"])
    rows = (tmp_path / "delay.csv").read_text().splitlines()
    assert len(rows) == 1 + len(monitor_delay.RULES) * len(monitor_delay.WAYS) - 1
    cells = [row.split(",") for row in rows if "both" in row]
    assert all(row[-1] == "2" for row in cells) and any(row[-3] == "100" for row in cells)
    assert "| synthetic run to failure" in capsys.readouterr().out
