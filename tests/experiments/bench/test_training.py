"""The training benchmark at a tiny size: its processes, its table, and what it says of failures."""

import csv
import sys
from pathlib import Path

import pytest
import training as bench_training
from sizes import SEVEN, Sizes
from table import complete, hours
from training import TASKS, Engine

from jax_dns import config

CONFIG = Path(__file__).parents[2] / "configs" / "dcase2021.py"


def test_rounds_of_processes_end_in_a_table(tmp_path, monkeypatch, capsys):
    broken = Engine("broken", "bench_sizes", "nothing")
    engines = [Engine("jax_dns", "jax_engines", "AE step from windows"), broken]
    monkeypatch.setitem(TASKS, "AE step from windows", engines)
    out = tmp_path / "bench"
    arguments = ["--tasks", "AE step from windows", "--rounds", "1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["bench_training.py", *arguments])
    bench_training.main()
    ours, other = csv.DictReader(out.with_suffix(".csv").read_text().splitlines())
    assert ours["engine"] == "jax_dns" and float(ours["clips_per_s"]) > 0
    assert float(ours["first_warm_s"]) > 0 and float(ours["peak_mib"]) > 100
    # At least the six products of a dense layer of 128 x 640 at both ends, in GFLOP.
    assert float(ours["gflop_per_s"]) * float(ours["seconds"]) > 1952 * 640 * 128 * 12e-9
    assert other["note"].startswith("failed: ") and not other["seconds"]
    assert "AE step from windows" in capsys.readouterr().out


def test_rates_ratios_and_shares():
    sizes = Sizes("", batch=8, clips=160, dtype="float32", folder="")
    rows = [
        {"task": SEVEN, "engine": "jax_dns", "seconds": 2.0, "best": 1.0},
        {"task": SEVEN, "engine": "torch", "seconds": 4.0, "best": 4.0},
        {"task": SEVEN, "engine": "torch.compile", "note": "no first within 1 s"},
    ]
    complete(rows, sizes, config.get_config(), {SEVEN: 8e9}, product=16e9)
    assert [row.get("to_torch") for row in rows] == [0.5, 1.0, None]
    assert rows[0]["best_to_torch"] == 0.25
    assert [row.get("steps_per_s") for row in rows] == [3.5, 1.75, None]
    assert rows[0]["clips_per_s"] == 7 * 16 / 2
    assert rows[0]["gflop_per_s"] == 4 and rows[1]["share_of_matmul"] == 0.125


def test_hours_of_the_whole_table(capsys):
    sizes = Sizes("", batch=128, clips=0, dtype="float32", folder="")
    tasks = ("AE step", "extractor step from audio", "embedding")
    rows = [{"task": task, "engine": "jax_dns", "seconds": 1.0} for task in tasks]
    hours(rows, sizes, config.get_config())
    # 5,118 clips: 320 steps of 16, 80 of 64; 1,500 and 150 epochs; 58,926 segments by 64.
    steps = 1500 * 320, 150 * 80, 7 * 6 * 1403 / 64
    text = capsys.readouterr().out
    assert f"{7 * sum(steps) / 3600:.1f} h (AE {7 * steps[0] / 3600:.1f} h" in text
    assert "torch" not in text


def test_sizes_are_the_papers():
    from sizes import load_config, spectrograms, windows

    c = load_config(Sizes(str(CONFIG), batch=2, clips=0, dtype="bfloat16", folder=""))
    assert spectrograms(c, 2).shape == (2, 224, 251) and windows(c).shape == (1952, 640)
    assert c.discriminative.dtype == "bfloat16"


def test_an_engine_that_takes_too_long_is_named(tmp_path):
    sizes = Sizes(str(CONFIG), batch=2, clips=0, dtype="float32", folder=str(tmp_path))
    worker = bench_training.Worker(Engine("", "jax_engines", "matmul"), sizes, {})
    with pytest.raises(bench_training.Failure, match=r"no first within 0\.1 s"):
        worker.ask("first", 0.1)
    worker.close()
