"""One run at a time in a workdir.

`<workdir>/.lock` is locked with flock(2), which the kernel releases however a process ends: on one
machine no lock is ever stale. It names its owner. On a shared file system flock may hold on each
machine by itself; there an owner elsewhere counts as running if it touches the file within WATCH.
"""

import contextlib
import datetime
import fcntl
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from jax_dns.errors import InputError

NAME = ".lock"
BEAT = 10.0  # s between an owner's signs of life
WATCH = 65.0  # s; NFS clients may show a file's time of change up to 60 s late


@contextlib.contextmanager
def workdir_lock(workdir: Path) -> Iterator[Path]:
    """Holds the workdir's lock; half-written files of runs that were killed are removed.

    Raises:
      InputError: another run holds it; names its process, machine and start. Or the workdir can't
        be written.
    """
    path = workdir / NAME
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("a+"))
            _take(file, path)
            _write(file, json.dumps(_me()))
            for left in workdir.rglob(".*-*.partial"):
                left.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{path}: can't be written ({error.strerror})") from error
        over = threading.Event()
        beating = threading.Thread(target=_beat, args=(path, over), daemon=True)
        beating.start()
        try:
            yield workdir
        finally:
            over.set()
            beating.join()
            with contextlib.suppress(OSError):
                _write(file, "")


def _take(file: IO[str], path: Path) -> None:
    """Locks the file, if no one is at work, here or elsewhere."""
    me, owner = _me(), _owner(file)
    told = f"process {owner['process']} on {owner['host']} since {owner['since']}"
    refusal = f"{path.parent}: in use by {told} (wait for its end, or choose another workdir)"
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Free, so an owner under this kernel has ended, and one before this machine's start too.
        ended = owner["boot"] == me["boot"] or owner["host"] == me["host"]
    except BlockingIOError as error:
        raise InputError(refusal) from error
    except OSError:
        ended = False  # a file system without flock: signs of life have to do
    if owner["process"] and not ended:
        tqdm.write(f"{path}: left by {told}; waiting {WATCH:.0f} s for a sign of life")
        if _is_alive(path):
            raise InputError(refusal)


def _is_alive(path: Path) -> bool:
    """Whether another machine's process touches the file."""
    first, end = path.stat().st_mtime_ns, time.monotonic() + WATCH
    while time.monotonic() < end:
        time.sleep(min(1.0, WATCH / 10))
        with path.open():  # has NFS look again
            if path.stat().st_mtime_ns != first:
                return True
    return False


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with contextlib.suppress(OSError):
            os.utime(path)


def _me() -> dict[str, Any]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = platform.node()
    since = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return {"process": os.getpid(), "host": platform.node(), "boot": boot, "since": since}


def _owner(file: IO[str]) -> dict[str, Any]:
    """Who wrote itself into the file; process 0 where no one did."""
    nobody = {"process": 0, "host": "this machine", "boot": "", "since": "just now"}
    file.seek(0)
    with contextlib.suppress(ValueError, TypeError):
        return nobody | json.loads(file.read())
    return nobody


def _write(file: IO[str], text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()
