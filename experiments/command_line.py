"""The command line that the experiment scripts share."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ml_collections import ConfigDict

from jax_dns.errors import InputError


def make_parser(description: str) -> argparse.ArgumentParser:
    """Makes a parser whose --help begins with the script's docstring, unchanged."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter, allow_abbrev=False
    )


def run_main(main: Callable[[], None]) -> None:
    """Runs a script; an input error ends it with one line and exit code 1."""
    try:
        main()
    except InputError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: error: {error}")


def choose_seed(config: ConfigDict, seed: int | None) -> int:
    """Returns the seed given, or the run's first.

    Raises:
      InputError: the run has no such seed.
    """
    if seed is None:
        return config.seeds[0]
    if seed not in config.seeds:
        raise InputError(f"--seed: {seed}, the run has {', '.join(map(str, config.seeds))}")
    return seed
