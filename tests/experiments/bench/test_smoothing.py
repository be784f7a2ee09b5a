"""The smoothing benchmark at a tiny size, and its table."""

import csv

import numpy as np
import pytest
import smoothing as bench_smoothing
from machine import cpu_name
from rounds import Engine, Measurement
from smoothing_table import dependence_on_k, format_row, make_rows


def test_one_command_measures_and_writes(tmp_path, capsys):
    arguments = ["--n", "300", "--k", "4", "16", "--d", "8", "--rounds", "1", "--grid"]
    arguments += ["--baselines", "sklearn", "jax approx_max_k", "--out", str(tmp_path / "bench")]
    bench_smoothing.main(arguments)
    rows = list(csv.DictReader((tmp_path / "bench.csv").read_text().splitlines()))
    assert {row["device"] for row in rows} == {cpu_name()}
    by_engine = {(row["engine"], row["k"]): row for row in rows}
    for k in ("4", "16"):
        ours, sklearn = by_engine["jax_dns", k], by_engine["sklearn", k]
        assert 0 < float(ours["best"]) <= float(ours["seconds"]) and float(ours["first"]) > 0
        assert (sklearn["differing_rows"], sklearn["inexact_rows"]) == ("0", "0")
        assert sklearn["to_fastest_baseline"] == "1"
        assert float(by_engine["jax approx_max_k", k]["recall"]) == pytest.approx(1)
    printed = capsys.readouterr().out
    assert cpu_name() in printed and "TF32 off" in printed
    assert "jax_dns" in printed.split("Dependence on K:")[1]


def test_many_items_are_met_by_new_queries(tmp_path):
    arguments = ["--n", "200", "--k", "3", "--d", "4", "--rounds", "1", "--full", "100"]
    arguments += ["--queries", "30", "--baselines", "sklearn", "--out", str(tmp_path / "bench")]
    bench_smoothing.main(arguments)
    rows = list(csv.DictReader((tmp_path / "bench.csv").read_text().splitlines()))
    assert {row["queries"] for row in rows} == {"30"}
    assert [row["inexact_rows"] for row in rows if row["engine"] == "sklearn"] == ["0"]


def test_the_grid_beside_single_calls(monkeypatch):
    monkeypatch.setattr(bench_smoothing, "GRID", (1, 4, 16))
    problem = bench_smoothing.make_problem(100, 4, 2, None)
    results = {e.name: e.call for e in bench_smoothing.make_grid_engines(problem, baselines=False)}
    np.testing.assert_allclose(
        results["jax_dns grid"](), results["12 single calls"](), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        results["largest K alone"](), results["jax_dns grid"]()[-1], rtol=1e-5, atol=1e-6
    )


def test_peak_memory_is_that_of_a_process_of_its_own():
    host, device = bench_smoothing.peak_memory("jax_dns", 100, 4, 3, None)
    assert 50 < host < 4_000 and device is None


def rows_of(times, *, ours=(0.0, 1.0), baseline=(0.0, 1.0), count=lambda rows: 0):
    roles = ("product", "product", "ours", "baseline", "approximate")
    results = (None, None, np.asarray(ours), np.asarray(baseline), None)
    engines = [Engine(f"{r}{i}", r, "CPU", None) for i, r in enumerate(roles)]
    measurements = [Measurement(9.0, list(t), r, "") for t, r in zip(times, results)]
    problem = {"n": 10, "queries": 10, "d": 5, "k": 2}
    return make_rows(engines, measurements, problem, count)


def test_ratios_are_to_the_fastest_product_and_exact_baseline():
    rows = rows_of([(2.0,), (1.0, 1.0, 5.0), (3.0,), (6.0,), (0.5,)])
    assert [row["to_product"] for row in rows] == [2, 1, 3, 6, 0.5]
    assert [row["to_fastest_baseline"] for row in rows][2:4] == [0.5, 1]
    assert rows[1]["best"] == 1 and rows[2]["tflops"] == pytest.approx(2 * 500 / 3 / 1e12)
    assert "3.00 x product" in format_row(rows[2])


def test_rows_that_differ_are_judged():
    judged = []
    rows = rows_of(
        [(1.0,)] * 5, baseline=(0.0, 2.0), count=lambda rows: judged.append(list(rows)) or 1
    )
    assert judged == [[1]]
    assert (rows[3]["differing_rows"], rows[3]["inexact_rows"]) == (1, 1)
    assert "1 rows differ, 1 of ours inexact" in format_row(rows[3])


def test_dependence_on_k_names_the_fastest_and_the_slowest():
    rows = [
        {"n": 10, "k": k, "engine": "jax_dns", "role": "ours", "rounds": 1, "seconds": s}
        for k, s in ((1, 1.0), (2, 0.5), (4, 2.0))
    ]
    (line,) = dependence_on_k(rows)
    assert "0.5000 s at K = 2 to 2.0000 s at K = 4: a factor of 4.00" in line
