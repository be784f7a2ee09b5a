"""Tables as text."""

import numpy as np
import pytest

from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.tables import details, percent, table_two, to_csv, with_all_hmean


def test_table_ii_of_the_paper_from_its_rows():
    machines = ("fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve")
    paper = {
        "SerialOE": (80.78, 60.77, 76.86, 81.49, 49.37, 55.06, 64.02),
        "AE": (57.11, 59.50, 54.70, 55.63, 58.61, 58.74, 51.27),
    }
    rows = {
        method: {m: [v / 100] for m, v in zip(machines, values)} for method, values in paper.items()
    }
    lines = table_two(rows, "title").splitlines()
    assert lines[0] == "title"
    assert lines[1].split() == ["Method", *machines, "All-hmean"]
    assert lines[2].split() == ["SerialOE", *map("{:.2f}".format, paper["SerialOE"]), "64.72"]
    assert lines[3].split()[-1] == "56.38"
    assert len({len(line) for line in lines[1:]}) == 1


def test_a_method_missing_somewhere_has_no_all_hmean():
    lines = table_two({"AE": {"a": [0.5], "b": [0.6]}, "SerialOE": {"a": [0.5]}}, "").splitlines()
    assert lines[3].split() == ["SerialOE", "50.00", "-", "-"]


def test_seeds_as_mean_and_deviation():
    assert percent([0.5, 0.6, 0.7]) == "60.00±10.00"
    assert percent([0.5]) == "50.00" and percent([]) == "-" and percent([np.nan]) == "-"
    row = with_all_hmean({"a": [0.5, 1.0], "b": [0.25, 1.0]})
    assert row["All-hmean"] == pytest.approx([1 / 3, 1.0])


def test_details_by_section_and_domain():
    found = [
        SectionMetrics(1, "all", 0.5, 0.25),
        SectionMetrics(0, "target", 0.1, 0.2),
        SectionMetrics(0, "source", 1.0, 0.9),
    ]
    lines = details({"AE": [found], "other": [found[:1]]}, "t").splitlines()
    columns = ["AUC/pAUC", "00", "source", "00", "target", "01", "all"]
    assert lines[1].split() == columns
    assert lines[2].split() == ["AE", "100.00/90.00", "10.00/20.00", "50.00/25.00"]
    assert lines[3].split() == ["other", "-", "-", "50.00/25.00"]


def test_csv_quotes_what_needs_it():
    assert to_csv([("a,b", 1), ("c", 0.5)]) == '"a,b",1\nc,0.5\n'
