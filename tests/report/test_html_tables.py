"""What a page's tables hold, and which value is bold."""

from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.report.html_tables import Reading, results_table, sections_table


def best(row):
    return [cell.text for cell in row.cells if cell.best]


POOLED = Reading(
    "pooled",
    {
        "AE": {"fan": [0.61234], "pump": [0.9]},
        "Proposed": {"fan": [0.61229], "pump": [0.7]},
        "Proposed (Oracle)": {"fan": [0.99], "pump": [0.99]},
        "SerialOE": {"pump": [0.1]},
    },
    {"Proposed": ["K=2 all", "K=4 all"], "SerialOE": ["-", "GMM 1 all"]},
)
APART = Reading("apart", {"AE": {"fan": [0.1], "pump": [0.2]}}, {})


def test_figures_settings_and_readings_are_in_one_table():
    table = results_table("Table II", [POOLED, APART], ["fan", "pump"])
    assert table.head == ["Method", "All-hmean", "fan", "pump"]
    names = [(row.name, row.note) for row in table.rows]
    assert names == [
        ("AE", "pooled"),
        ("AE", "apart"),
        ("Proposed", "pooled"),
        ("Proposed (Oracle)", "pooled"),
        ("SerialOE", "pooled"),
    ]
    rows = dict(zip(names, table.rows))
    proposed = rows["Proposed", "pooled"]
    assert [cell.detail for cell in proposed.cells] == ["", "K=2 all", "K=4 all"]
    assert [cell.detail for cell in rows["SerialOE", "pooled"].cells] == ["", "", "GMM 1 all"]
    assert [cell.text for cell in rows["SerialOE", "pooled"].cells] == ["-", "-", "10.00"]
    assert [cell.text for cell in rows["AE", "apart"].cells] == ["13.33", "10.00", "20.00"]


def test_the_best_of_a_column_and_reading_is_marked_and_oracles_are_not_compared():
    rows = results_table("", [POOLED, APART], ["fan", "pump"]).rows
    assert best(rows[0]) == ["72.88", "61.23", "90.00"]
    assert best(rows[2]) == ["61.23"]  # reads the same
    assert best(rows[3]) == [] and rows[3].oracle
    assert best(rows[1]) == [] and best(rows[4]) == []  # a method alone is not the best


def test_one_machine_type_has_no_all_hmean():
    table = results_table("", [Reading("", {"AE": {"fan": [0.5, 0.6]}}, {})], ["fan"])
    assert table.head == ["Method", "fan"] and table.rows[0].cells[0].text == "55.00±7.07"


def test_sections_table_marks_rows_and_keeps_gaps():
    table = sections_table(
        "Details",
        {
            "AE": [[SectionMetrics(1, "all", 0.5, 0.6), SectionMetrics(0, "source", 0.8, 0.5)]],
            "Proposed": [[SectionMetrics(1, "all", 0.7, 0.4)]],
        },
        {0: "development"},
    )
    first, second = table.rows
    assert (first.name, first.note, second.name) == ("00 source", "development", "01 pooled")
    assert [c.text for c in first.cells] == ["80.00", "50.00", "-", "-"]
    assert best(second) == ["60.00", "70.00"]
