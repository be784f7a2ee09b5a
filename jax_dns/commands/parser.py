"""argparse whose errors are one line, and the options that commands share."""

import argparse
from pathlib import Path
from typing import NoReturn

from jax_dns.errors import InputError, UsageError
from jax_dns.files import local_path


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print its usage and exit."""

    def __init__(self, command: str, description: str):
        super().__init__(
            f"jax-dns {command}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.register("type", Path, _local_path)  # what `type=Path` of an argument calls

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(f"{message}; see {self.prog} --help")


def _local_path(text: str) -> Path:
    """Returns a path with "~" expanded; refuses a URL."""
    try:
        return local_path(text, "path")
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error).partition(": ")[2]) from error


def add_score_options(parser: Parser) -> None:
    """Adds the options that say which scores and labels to read."""
    parser.add_argument(
        "--scores",
        required=True,
        type=Path,
        metavar="FILE|DIR",
        help="CSV or Parquet file of names and scores, or a folder of DCASE's official files "
        "anomaly_score_<machine>_section_SS[_<source|target>][_test].csv",
    )
    parser.add_argument(
        "--column",
        default="",
        metavar="NAME",
        help="column of scores, of a file that has several",
    )
    parser.add_argument(
        "--name-key",
        default="",
        metavar="NAME",
        help="column or array that holds the clips' names, of the files that have it "
        "(default: name, clip, file, ...)",
    )
    parser.add_argument(
        "--ground-truth",
        type=Path,
        metavar="FILE|DIR",
        help="labels that the names don't carry: a CSV of name,0|1, an official "
        "ground_truth_*.csv or eval_data_list.csv, or a folder of those",
    )
    parser.add_argument(
        "--machine",
        default="",
        metavar="NAME",
        help="machine type of a single file (default: its official name's, or its stem)",
    )


def check_score_options(options: argparse.Namespace) -> None:
    """Raises UsageError for options that a folder of official files has no use for."""
    if options.scores.is_dir():
        for name in ("machine", "column", "name_key"):
            if getattr(options, name):
                option = name.replace("_", "-")
                raise UsageError(
                    f"--{option} is for a single file of scores; a folder's files are official "
                    "ones, which need none"
                )
