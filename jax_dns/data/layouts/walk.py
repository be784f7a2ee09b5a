"""Lists the recordings below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from jax_dns.data.clips import AUDIO_SUFFIXES

DEPTH = 8  # levels of folders


def walk_audio(root: Path) -> Iterator[Path]:
    """Yields the recordings below a folder, folder by folder in the order of their names.

    Links to folders are followed, but no folder is entered twice. Hidden files and folders are
    left out.
    """
    visited: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(root, followlinks=True):
        status = os.stat(parent)
        if (key := (status.st_dev, status.st_ino)) in visited:
            folders.clear()
            continue
        visited.add(key)
        deep = len(Path(parent).relative_to(root).parts) >= DEPTH
        folders[:] = [] if deep else sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(AUDIO_SUFFIXES) and not name.startswith("."):
                yield Path(parent, name)
