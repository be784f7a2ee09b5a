"""One run at a time in a workdir.

`<workdir>/.lock` is held through flock(2), which the kernel releases however a process ends, so no
lock is ever stale. `.lock_owner.json` beside it names the holder.
"""

import contextlib
import datetime
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import filelock

from jax_dns.errors import InputError
from jax_dns.files import remove_temporaries, write_json

LOCK, OWNER = ".lock", ".lock_owner.json"


@contextlib.contextmanager
def workdir_lock(workdir: Path) -> Iterator[Path]:
    """Holds the workdir's lock, and removes half-written files of runs that were killed.

    Args:
      workdir: an existing folder.

    Yields:
      The folder.

    Raises:
      InputError: another run holds it (names its process, host and start), or the workdir can't be
        written.
    """
    lock = filelock.FileLock(workdir / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError(
            f"{workdir}: in use by {_owner(workdir)} (wait for its end, or choose another workdir)"
        ) from error
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{workdir / LOCK}: can't be locked ({reason})") from error
    try:
        since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        owner = {"process": os.getpid(), "host": platform.node(), "since": since}
        write_json(workdir / OWNER, owner)
        remove_temporaries(workdir)
        yield workdir
    finally:
        with contextlib.suppress(OSError):
            (workdir / OWNER).unlink(missing_ok=True)
        lock.release()


def _owner(workdir: Path) -> str:
    try:
        owner = json.loads((workdir / OWNER).read_text())
        return f"process {owner['process']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
