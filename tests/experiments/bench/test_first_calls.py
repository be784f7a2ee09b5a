"""What a user waits for with nothing compiled: the script's cases and its table."""

import first_calls
import numpy as np


def test_a_growing_history_compiles_nothing_on_a_cpu():
    compiled, slowest = first_calls.growing_history(calls=8)
    assert compiled == 0 and 0 < slowest < 60


def test_the_table_has_a_row_for_each_case(monkeypatch, capsys):
    values = {"first_calls": [1, 2, 3], "growing_history": [4, 5], "ratios": [8, 9]}
    monkeypatch.setattr(first_calls, "in_new_process", lambda case, *_: values[case])
    monkeypatch.setattr(first_calls, "command_lines", lambda scores, features: [6, 7])
    first_calls.main(["--scores", "a", "--features", "b"])
    rows = capsys.readouterr().out.splitlines()[1:]
    printed = [float(row[len(name) :].split()[0]) for name, row in zip(first_calls.LIMITS, rows)]
    np.testing.assert_array_equal(printed, np.arange(1, 10))
    assert rows[0].endswith("s  (at most 0.7)")
