"""Tables: what their cells hold, and that every form of them says the same."""

import csv
import re

import numpy as np
import pytest

from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.tables import (
    Table,
    best,
    details,
    percent,
    table_two,
    to_csv,
    to_latex,
    to_markdown,
    to_text,
    with_all_hmean,
)

TABLE = Table(
    ["Method", "", "a_b"],
    [["AE", "here", "1.0±0.5"], ["", "paper", "2|0"], ["Proposed", "here", "−1.0"]],
    "AUC & pAUC [%]",
)


def test_table_ii_of_the_paper_from_its_rows():
    machines = ("fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve")
    paper = {
        "SerialOE": (80.78, 60.77, 76.86, 81.49, 49.37, 55.06, 64.02),
        "AE": (57.11, 59.50, 54.70, 55.63, 58.61, 58.74, 51.27),
    }
    rows = {
        method: {m: [v / 100] for m, v in zip(machines, values)} for method, values in paper.items()
    }
    table = table_two(rows, "title")
    assert table.caption == "title" and table.head == ["Method", *machines, "All-hmean"]
    assert table.rows == [
        ["SerialOE", *map("{:.2f}".format, paper["SerialOE"]), "64.72"],
        ["AE", *map("{:.2f}".format, paper["AE"]), "56.38"],
    ]


def test_a_method_missing_somewhere_has_no_all_hmean():
    rows = table_two({"AE": {"a": [0.5], "b": [0.6]}, "SerialOE": {"a": [0.5]}}, "").rows
    assert rows == [["AE", "50.00", "60.00", "54.55"], ["SerialOE", "50.00", "-", "-"]]


def test_seeds_as_mean_and_deviation():
    assert percent([0.5, 0.6, 0.7]) == "60.00±10.00"
    assert percent([0.5]) == "50.00" and percent([]) == "-" and percent([np.nan]) == "-"
    row = with_all_hmean({"a": [0.5, 1.0], "b": [0.25, 1.0]})
    assert row["All-hmean"] == pytest.approx([1 / 3, 1.0])


def test_details_by_section_and_domain():
    metrics = [
        SectionMetrics(1, "all", 0.5, 0.25),
        SectionMetrics(0, "target", 0.1, 0.2),
        SectionMetrics(0, "source", 1.0, 0.9),
    ]
    table = details({"AE": [metrics], "other": [metrics[:1]]}, "t")
    assert table.head == ["AUC/pAUC", "00 source", "00 target", "01 all"]
    assert table.rows == [
        ["AE", "100.00/90.00", "10.00/20.00", "50.00/25.00"],
        ["other", "-", "-", "50.00/25.00"],
    ]


def test_the_best_are_those_that_read_the_same():
    assert best([[0.61234], [0.61229], [0.5], []]) == [True, True, False, False]
    assert best([[0.9, 0.7], [0.8, 0.8], [np.nan]]) == [True, True, False]
    assert best([[0.5]]) == [False] and best([[], []]) == [False, False]


def test_text_lines_up():
    assert to_text(TABLE).splitlines() == [
        "AUC & pAUC [%]",
        "Method               a_b",
        "AE         here  1.0±0.5",
        "          paper      2|0",
        "Proposed   here     −1.0",
    ]
    head = to_text(TABLE._replace(caption=""), left=3).splitlines()[0]
    assert head == "Method           a_b"


def test_markdown_is_a_table_and_lines_up():
    caption, blank, *lines = to_markdown(TABLE).splitlines()
    assert caption == TABLE.caption and blank == ""
    assert len({len(line) for line in lines}) == 1 and len(lines) == 5
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        for line in (lines[0], *lines[2:])
    ]
    expected = [TABLE.head, *TABLE.rows]
    assert [[cell.replace("\\|", "|") for cell in row] for row in rows] == expected
    assert re.fullmatch(r"\|:-+\|-+:\|-+:\|", lines[1])


def test_latex_has_every_row_and_no_bare_special_character():
    text = to_latex(TABLE)
    # Around the head, below the table, and above the block that starts with Proposed.
    assert text.count(r" \\") == 4 and text.count(r"\hline") == 4
    assert r"\caption{AUC \& pAUC [\%]}" in text and r"a\_b" in text
    cells = [
        re.sub(r"\s*\\\\$", "", line).split("&") for line in text.splitlines() if "here" in line
    ]
    assert [[cell.strip() for cell in row] for row in cells] == [
        ["AE", "here", r"1.0$\pm$0.5"],
        ["Proposed", "here", "$-$1.0"],
    ]
    special = Table(["x"], [["{}^~\\#$<"]])
    assert r"\{\}\^{}\textasciitilde{}\textbackslash{}\#\$\ensuremath{<}" in to_latex(special)


def test_csv_reads_back():
    rows = [["a,b", "1"], ['c"d', "0.5"]]
    assert list(csv.reader(to_csv(rows).splitlines())) == rows
