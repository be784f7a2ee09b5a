"""Errors caused by a user's input, and how their messages list names."""

from typing import Any


class InputError(ValueError):
    """A file, field or argument that can't be used.

    The message is one line: which file or field, what was found, what was expected. The command
    line prints it without a traceback.
    """


class NoNameKeyError(InputError):
    """A file without the column or array of names that the user named."""


class UsageError(Exception):
    """Invalid command line; the message is one line."""


def first_three(names: Any) -> str:
    """The first three of a list or array of names, and how many more there are, for a message."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(str, names[:3])) + more
