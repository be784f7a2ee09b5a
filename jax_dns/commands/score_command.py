"""`jax-dns score`: new recordings scored by a finished run."""

import shlex
from pathlib import Path

from jax_dns.commands.parser import Parser
from jax_dns.errors import InputError

DESCRIPTION = """Score a folder of new recordings with what a finished run has trained. The run is
only read; the results go to a folder of their own, whose scores.csv has a line for each clip.

  jax-dns score --workdir=runs/mine --data=/new --out=scored
  jax-dns score --workdir=runs/mine --data=/new --out=scored --with-history

With --with-history the run's own test clips may be neighbours of the new ones.
"""


def main(arguments: list[str]) -> None:
    """Reads the run and scores the recordings."""
    parser = Parser("score", DESCRIPTION)
    parser.add_argument("--workdir", required=True, type=Path, help="a finished run's folder")
    parser.add_argument("--data", required=True, type=Path, help="folder of the new recordings")
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    parser.add_argument(
        "--with-history", action="store_true", help="the run's test clips may be neighbours"
    )
    options = parser.parse_args(arguments)
    for name, folder in (("--workdir", options.workdir), ("--data", options.data)):
        if not folder.is_dir():
            raise InputError(f"{name}: {folder} is not a folder")
    from jax_dns.pipeline.score import score

    score(
        options.workdir.absolute(),
        options.data.absolute(),
        options.out,
        with_history=options.with_history,
        command=shlex.join(["jax-dns", "score", *arguments]),
    )
