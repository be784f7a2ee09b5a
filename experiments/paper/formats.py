"""Tables of text as Markdown and as LaTeX."""

from paper.comparison import Table

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
}


def to_markdown(table: Table) -> str:
    """A caption and a table whose columns line up in plain text too."""
    lines = [[_pipes(field) for field in row] for row in (table.head, *table.rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines)]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    aligned = [
        [row[0].ljust(widths[0]), *(field.rjust(w) for field, w in zip(row[1:], widths[1:]))]
        for row in (lines[0], rule, *lines[1:])
    ]
    text = "\n".join(f"| {' | '.join(row)} |" for row in aligned)
    return f"{table.caption}\n\n{text}\n"


def to_latex(table: Table) -> str:
    """A floating table; it needs no packages."""
    body = [" & ".join(map(escape, row)) + r" \\" for row in table.rows]
    # A rule above each row that starts a new block: those below a name have none of their own.
    body = [
        rf"\hline{chr(10)}{line}" if number and row[0] and not table.rows[number - 1][0] else line
        for number, (row, line) in enumerate(zip(table.rows, body))
    ]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
        r"\hline",
        " & ".join(map(escape, table.head)) + r" \\",
        r"\hline",
        *body,
        r"\hline",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text as LaTeX sets it."""
    return "".join(LATEX.get(character, character) for character in text)


def _pipes(text: str) -> str:
    return text.replace("|", r"\|")
