"""The training benchmark at a tiny size: its processes, its engines and its table."""

import csv
from pathlib import Path

import engine_process
import pytest
import training as bench_training
from engine_process import TASKS, Engine, EngineError, EngineProcess
from inputs import (
    SEVEN_AUTOENCODERS,
    Workload,
    read_settings,
    spectrogram_noise,
    window_noise,
)
from training_table import complete, format_row, table2_hours

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "dcase2021.py"
SETTINGS = read_settings(str(CONFIG))
TINY = ["--tasks", "AE step from windows", "--rounds", "1"]


def read_rows(out):
    return list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))


def test_rounds_of_processes_end_in_a_table(tmp_path, monkeypatch, capsys):
    broken = Engine("broken", "inputs", "nothing")
    engines = [engine_process.ours("AE step from windows"), broken]
    monkeypatch.setitem(TASKS, "AE step from windows", engines)
    bench_training.main([*TINY, "--out", str(tmp_path / "bench")])
    ours, other = read_rows(tmp_path / "bench")
    assert ours["engine"] == "jax_dns" and float(ours["clips_per_s"]) > 0
    assert ours["device"].startswith("jax ") and ours["dtype"] == "float32"
    assert float(ours["first_warm_s"]) > 0 and float(ours["host_peak_mib"]) > 100
    # At least the six products of a dense layer of 128 x 640 at both ends, in GFLOP.
    assert float(ours["gflop_per_s"]) * float(ours["seconds"]) > 1952 * 640 * 128 * 12e-9
    assert other["note"].startswith("failed: ") and not other["seconds"]
    assert "AE step from windows" in capsys.readouterr().out


def test_pytorch_in_both_number_formats(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="extra bench")
    for task in ("matmul", "AE step from windows"):
        monkeypatch.setitem(TASKS, task, engine_process.torch_engines(task)[:1])  # not compiled
    monkeypatch.setattr(bench_training, "COUNTED_TASKS", ())
    arguments = ["--tasks", "matmul", "AE step from windows", "--dtype", "float32", "bfloat16"]
    bench_training.main([*arguments, "--rounds", "1", "--out", str(tmp_path / "bench")])
    rows = read_rows(tmp_path / "bench")
    assert [(row["task"], row["dtype"]) for row in rows] == [
        ("matmul", "float32"),
        ("matmul", "bfloat16"),
        ("AE step from windows", "float32"),
    ]
    assert all(float(row["to_torch"]) == float(row["to_fastest_torch"]) == 1 for row in rows)
    assert all(row["device"].startswith("torch ") for row in rows)


def test_every_workload_of_pytorch_runs(tmp_path, monkeypatch):
    torch_workloads = pytest.importorskip("torch_workloads", reason="extra bench")
    settings = SETTINGS._replace(embedding_batch=2)
    monkeypatch.setattr(torch_workloads, "read_settings", lambda path: settings)
    workload = Workload(str(CONFIG), batch=2, n_clips=3, folder=str(tmp_path))
    slow = ("matmul", "features", "AE of 7 machines", "AE epoch")
    for name, make in torch_workloads.WORKLOADS.items():
        if not name.startswith(slow):
            make(workload)()


def test_rates_and_ratios_to_pytorch():
    workload = Workload("", batch=8, n_clips=160, folder="")
    common = {"task": SEVEN_AUTOENCODERS, "dtype": "float32", "note": ""}
    rows = [
        common | {"engine": "jax_dns", "seconds": 2.0, "best": 1.0},
        common | {"engine": "torch", "seconds": 4.0, "best": 4.0},
        common | {"engine": "torch.compile", "seconds": 3.2, "best": 3.0},
        common | {"engine": "torch", "seconds": 1.0, "best": 1.0, "dtype": "bfloat16"},
        common | {"engine": "torch.compile", "note": "no answer", "dtype": "bfloat16"},
    ]
    complete(rows, workload, SETTINGS, {SEVEN_AUTOENCODERS: 8e9}, {"float32": 16e9})
    assert [row.get("to_torch") for row in rows] == [0.5, 1.0, 0.8, 1.0, None]
    assert [row.get("to_fastest_torch") for row in rows] == [0.625, 1.25, 1.0, 1.0, None]
    assert rows[0]["best_to_torch"] == 0.25
    assert [row.get("steps_per_s") for row in rows[:2]] == [3.5, 1.75]
    assert rows[0]["clips_per_s"] == 7 * 16 / 2
    assert rows[0]["gflop_per_s"] == 4 and rows[1]["share_of_matmul"] == 0.125
    assert "0.50 x torch" in format_row(rows[0]) and "no answer" in format_row(rows[4])


def test_hours_of_table_2():
    workload = Workload("", batch=128, n_clips=0, folder="")
    tasks = ("AE step", "extractor step from audio", "embedding")
    engine = {"engine": "jax_dns", "dtype": "float32", "seconds": 1.0}
    rows = [engine | {"task": task} for task in tasks]
    (line,) = table2_hours([*rows, rows[0] | {"engine": "torch"}], workload, SETTINGS)
    # 5,118 clips: 320 steps of 16, 80 of 64; 1,500 and 150 epochs; 58,926 segments by 64.
    steps = 1500 * 320, 150 * 80, 7 * 6 * 1403 / 64
    assert f"{7 * sum(steps) / 3600:.1f} h (AE {7 * steps[0] / 3600:.1f} h" in line
    assert "jax_dns, float32" in line


def test_sizes_are_the_papers():
    assert spectrogram_noise(SETTINGS, 2).shape == (2, 224, 251)
    assert window_noise(SETTINGS).shape == (1952, 640)
    assert SETTINGS.segment == 64_000 and SETTINGS.extractor_batch == 128


def test_an_engine_that_takes_too_long_is_named(tmp_path):
    workload = Workload(str(CONFIG), batch=2, n_clips=0, folder=str(tmp_path))
    with (
        EngineProcess(engine_process.ours("matmul"), workload, {}) as process,
        pytest.raises(EngineError, match=r"no answer to 'first' within 0\.1 s"),
    ):
        process.ask("first", 0.1)
