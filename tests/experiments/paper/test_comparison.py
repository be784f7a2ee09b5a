"""Results beside the paper's."""

import numpy as np
import pytest
from paper import comparison, published
from paper.comparison import (
    CSV_HEAD,
    Entry,
    differences,
    format_entry,
    format_points,
    order_methods,
    table_two,
)

from jax_dns.evaluation.tables import ALL

COLUMNS = (*published.MACHINES, ALL)
NONE = np.empty((1, 0))


def entries(value=0.7):
    """Each method's entry for every column, from two seeds, with ten resamples."""
    draws = value + np.linspace(-0.05, 0.05, 10) * np.ones((2, 1))
    return {
        method: {c: Entry([value - 0.01, value + 0.01], draws) for c in COLUMNS}
        for method in ("SerialOE", "AE", "Proposed")
    }


def test_an_entry_is_a_mean_over_seeds_with_an_interval():
    entry = entries()["AE"]["fan"]
    assert entry.mean == pytest.approx(0.7)
    assert entry.interval == pytest.approx(np.percentile(entry.resamples[0], [2.5, 97.5]))
    assert Entry([0.5], NONE).interval is None


def test_differences_are_paired():
    by_method = entries()
    by_method["Proposed"] = {
        c: Entry([x + 0.02 for x in e.values], e.resamples + 0.02)
        for c, e in by_method["AE"].items()
    }
    gap = differences(by_method, "Proposed")["Proposed − AE"]["fan"]
    assert gap.mean == pytest.approx(0.02)
    assert gap.interval == pytest.approx((0.02, 0.02))  # what the two share cancels


def test_table_two_shows_the_papers_row_and_the_difference():
    table = comparison.table_two(entries(), COLUMNS, caption="", show_paper=True)
    kinds = [row[1] for row in table.rows[:4]]
    assert kinds == ["here", "95 %", "paper", "difference"]
    paper_row, gap = table.rows[2], table.rows[3]
    assert paper_row[2] == f"{published.TABLE_TWO['SerialOE']['fan']:.2f}"
    assert gap[2] == format_points(0.7 - published.TABLE_TWO["SerialOE"]["fan"] / 100)
    assert {len(row) for row in table.rows} == {len(table.head)}
    alone = comparison.table_two(entries(), COLUMNS, caption="", show_paper=False)
    assert {row[1] for row in alone.rows} == {"here", "95 %"}


def test_table_one_beside_the_paper():
    settings = {"SerialOE": ["GMM 1 all", "GMM 2 source"]}
    table = comparison.table_one(settings, ["fan", "none"], caption="", show_paper=True)
    assert table.rows == [["fan", "GMM 1 all", "GMM 2 source"], ["none", "GMM 2 source", "-"]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0123, "+1.23"),
        (-0.0123, "−1.23"),
        (0.0, "0.00"),
        (-0.00001, "0.00"),
    ],
)
def test_points(value, text):
    assert format_points(value) == text


def test_rows_of_csv():
    rows = comparison.csv_rows(
        entries(),
        reading="pooled",
        alternative="",
        settings={"AE": {"fan": "x"}},
        machines=published.MACHINES,
        show_paper=True,
    )
    assert len(rows) == 3 * len(COLUMNS) and {len(row) for row in rows} == {len(CSV_HEAD)}
    row = dict(zip(CSV_HEAD, next(r for r in rows if r[2:4] == ["AE", "fan"])))
    assert (row["seeds"], row["mean"], row["settings"]) == ("2", "70.0000", "x")
    assert float(row["deviation"]) == pytest.approx(100 * np.std([0.69, 0.71], ddof=1), abs=1e-3)
    theirs = published.TABLE_TWO["AE"]["fan"]
    assert float(row["difference"]) == pytest.approx(70 - theirs, abs=1e-3)


def entry(*values, draws=()):
    return Entry(list(values), np.asarray([draws] * len(values), float).reshape(len(values), -1))


def test_entries_and_signs():
    assert format_entry(entry(0.5, 0.6)) == "55.00±7.07"
    assert format_entry(entry(-0.5), signed=True) == "−50.00"
    assert format_entry(entry(0.5), signed=True) == "+50.00"
    assert (
        format_entry(entry(0.0), signed=True) == format_entry(entry(-1e-9), signed=True) == "0.00"
    )
    assert format_points(None) == format_entry(None) == "-"


def test_table_two_beside_the_paper_and_its_differences():
    by_method = {
        "AE": {"fan": entry(0.6, draws=(0.5, 0.7)), "uav": entry(0.9, draws=(0.9, 0.9))},
        "Proposed": {"fan": entry(0.8, draws=(0.6, 0.9))},
    }
    table = table_two(by_method, ["fan", "uav", "All-hmean"], caption="", show_paper=True)
    assert table.rows[:4] == [
        ["AE", "here", "60.00", "90.00", "-"],
        ["", "95 %", "[50.50, 69.50]", "[90.00, 90.00]", "-"],
        ["", "paper", "57.11", "-", "-"],
        ["", "difference", "+2.89", "-", "-"],
    ]
    ((name, row),) = differences(by_method, "Proposed").items()
    assert name == "Proposed − AE" and list(row) == ["fan"]
    assert row["fan"].resamples.round(9).tolist() == [[0.1, 0.2]]


def test_methods_that_the_paper_lacks_come_last():
    methods = ["Mine", "Proposed", "AE"]
    assert order_methods(methods) == ["AE", "Proposed", "Mine"]
    by_method = {"Mine": {"fan": entry(0.9)}, "AE": {"fan": entry(0.6)}, "AE (Oracle)": {}}
    assert list(differences(by_method, "Mine")) == ["Mine − AE"]
