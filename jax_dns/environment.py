"""The process's surroundings made usable: folders for caches, and streams that print any name."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

FOLDERS = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
_temporary: list[str] = []


def use_absolute_folders() -> None:
    """Removes variables that name no absolute folder, and gives a homeless process a temporary one.

    An empty or relative XDG_CACHE_HOME makes libraries write into the current folder. Without a
    home, Matplotlib stops and Numba makes a folder named "~"; they get a temporary folder, removed
    at the end, which is not the home: "~" stays unknown.
    """
    for name in FOLDERS:
        if not os.path.isabs(os.environ.get(name, "/")):
            del os.environ[name]
    lacking = {name for name in FOLDERS[1:] if name not in os.environ}
    if lacking and not has_home():
        folder = tempfile.mkdtemp(prefix="jax-dns-")
        _temporary.append(folder)
        atexit.register(remove_temporary_folder)
        os.environ.update(dict.fromkeys(lacking, folder))


def remove_temporary_folder() -> None:
    """Removes the folder that a homeless process was given."""
    while _temporary:
        shutil.rmtree(_temporary.pop(), ignore_errors=True)


def has_home() -> bool:
    """Returns whether the user's home folder is known: by HOME, or the list of users."""
    try:
        Path.home()
    except RuntimeError:
        return False
    return True


def print_any_name() -> None:
    """Lets the standard streams write backslashes for characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where it is closed, or a notebook's
            stream.reconfigure(errors="backslashreplace")
