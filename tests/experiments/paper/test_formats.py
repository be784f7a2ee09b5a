"""Tables as Markdown and LaTeX."""

import re

from paper.comparison import Entry, Table, differences, figure, points, table_two
from paper.formats import escape, to_latex, to_markdown

TABLE = Table(
    "AUC & pAUC [%]",
    ["Method", "", "a_b"],
    [["AE", "here", "1.0±0.5"], ["", "paper", "2.0"], ["Proposed", "here", "−1.0"]],
)


def test_markdown_is_a_table_and_lines_up():
    caption, blank, *lines = to_markdown(TABLE).splitlines()
    assert caption == TABLE.caption and blank == ""
    assert len({len(line) for line in lines}) == 1 and len(lines) == 5
    assert [field.strip() for field in lines[2].strip("|").split("|")] == TABLE.rows[0]
    assert re.fullmatch(r"\| :-+ \| -+: \| -+: \|", lines[1])


def test_latex_has_every_row_and_no_bare_special_character():
    text = to_latex(TABLE)
    assert text.count(r" \\") == 4 and text.count(r"\hline") == 4
    assert r"AUC \& pAUC [\%]" in text and r"a\_b" in text
    assert r"AE & here & 1.0$\pm$0.5 \\" in text and "$-$1.0" in text
    assert text.count("{") == text.count("}")
    assert escape("{}^~\\#$") == r"\{\}\textasciicircum{}\textasciitilde{}\textbackslash{}\#\$"


def entry(*values, draws=()):
    import numpy as np

    return Entry(list(values), np.asarray([draws] * len(values), float).reshape(len(values), -1))


def test_figures_and_signs():
    assert figure(entry(0.5, 0.6)) == "55.00±7.07"
    assert figure(entry(-0.5), signed=True) == "−50.00"
    assert figure(entry(0.5), signed=True) == "+50.00"
    assert figure(entry(0.0), signed=True) == figure(entry(-1e-9), signed=True) == "0.00"
    assert points(None) == figure(None) == "-"


def test_table_two_beside_the_paper_and_its_differences():
    found = {
        "AE": {"fan": entry(0.6, draws=(0.5, 0.7)), "uav": entry(0.9, draws=(0.9, 0.9))},
        "Proposed": {"fan": entry(0.8, draws=(0.6, 0.9))},
    }
    table = table_two(found, ["fan", "uav", "All-hmean"], caption="", beside=True)
    assert table.rows[:4] == [
        ["AE", "here", "60.00", "90.00", "-"],
        ["", "95 %", "[50.50, 69.50]", "[90.00, 90.00]", "-"],
        ["", "paper", "57.11", "-", "-"],
        ["", "difference", "+2.89", "-", "-"],
    ]
    ((name, row),) = differences(found).items()
    assert name == "Proposed − AE" and list(row) == ["fan"]
    assert row["fan"].draws.round(9).tolist() == [[0.1, 0.2]]
