"""The two errors that a user's input can cause."""


class InputError(ValueError):
    """A file, field or argument that can't be used.

    The message is one line: which file or field, what was found, what was expected. The command
    line prints it without a traceback.
    """


class UsageError(Exception):
    """A command line that makes no sense; said in one line too."""
