"""Which value is bold."""

from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.report.html_tables import by_machine, by_place


def best(row):
    return [entry.text for entry in row.entries if entry.best]


def test_the_best_of_a_column_is_marked_and_oracles_are_not_compared():
    table = by_machine(
        "Table II",
        {
            "AE": {"fan": [0.61234], "pump": [0.9, 0.7]},
            "Proposed": {"fan": [0.61229], "pump": [0.7, 0.7]},
            "Proposed (Oracle)": {"fan": [0.99], "pump": [0.99, 0.99]},
            "SerialOE": {"pump": [0.1, 0.2]},
        },
    )
    rows = {row.name: row for row in table.rows}
    assert table.head == ["Method", "fan", "pump"]
    assert best(rows["AE"]) == ["61.23", "80.00±14.14"]
    assert best(rows["Proposed"]) == ["61.23"]  # reads the same
    assert best(rows["Proposed (Oracle)"]) == [] and rows["Proposed (Oracle)"].oracle
    assert rows["SerialOE"].entries[0].text == "-" and best(rows["SerialOE"]) == []


def test_by_place_marks_rows_and_keeps_gaps():
    table = by_place(
        "Details",
        {
            "AE": [[SectionMetrics(1, "all", 0.5, 0.6), SectionMetrics(0, "source", 0.8, 0.5)]],
            "Proposed": [[SectionMetrics(1, "all", 0.7, 0.4)]],
        },
        {0: "development"},
    )
    first, second = table.rows
    assert (first.name, first.note, second.name) == ("00 source", "development", "01 pooled")
    assert [e.text for e in first.entries] == ["80.00", "50.00", "-", "-"]
    assert best(second) == ["60.00", "70.00"]


def test_a_method_alone_is_not_best():
    assert best(by_machine("", {"AE": {"fan": [0.5]}}).rows[0]) == []
