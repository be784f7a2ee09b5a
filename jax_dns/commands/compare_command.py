"""`jax-dns compare`: two finished runs side by side."""

from pathlib import Path

from jax_dns.commands.parser import Parser

DESCRIPTION = """Compare two finished runs on the same test clips: the fields of their configs that
differ, and each method of Table II with the difference and its interval from paired resamples of
the clips.

  jax-dns compare runs/a runs/b
"""


def main(arguments: list[str]) -> None:
    """Reads both runs and prints the comparison."""
    parser = Parser("compare", DESCRIPTION)
    parser.add_argument("first", type=Path, metavar="A", help="a finished run's folder")
    parser.add_argument("second", type=Path, metavar="B", help="another's")
    options = parser.parse_args(arguments)
    from jax_dns.pipeline.compare import compare

    print(compare(options.first.absolute(), options.second.absolute()), end="")
