"""What the scripts that read a workdir share of their command lines."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ml_collections import ConfigDict

from jax_dns.errors import InputError


def parser_of(doc: str) -> argparse.ArgumentParser:
    """A parser whose --help begins with the script's docstring, as it stands."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawTextHelpFormatter, allow_abbrev=False
    )


def run(main: Callable[[], None]) -> None:
    """Runs a script; input that can't be used ends it with one line and exit code 1."""
    try:
        main()
    except InputError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: error: {error}")


def seed_of(config: ConfigDict, seed: int | None) -> int:
    """The run's seed that is asked for; its first where none is.

    Raises:
      InputError: the run has no such seed.
    """
    if seed is None:
        return config.seeds[0]
    if seed not in config.seeds:
        raise InputError(f"--seed: {seed}, the run has {', '.join(map(str, config.seeds))}")
    return seed
