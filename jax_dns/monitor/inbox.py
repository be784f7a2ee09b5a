"""The folder that recordings arrive in: which files are there, and which are whole."""

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

from jax_dns.data.clips import ANOMALY, AUDIO_SUFFIXES, NORMAL, UNKNOWN
from jax_dns.errors import InputError

RULE = r"(?:section_|id_)(?P<section>\d+)"  # DCASE's names since 2021, and in 2020
QUIET = 0.05  # s
LABEL = re.compile(r"(?:^|[_/])(normal|anomaly|abnormal)(?=[_/.])", re.IGNORECASE)
LABELS = {"normal": NORMAL, "anomaly": ANOMALY, "abnormal": ANOMALY}


class Arrival(NamedTuple):
    """A file in the inbox."""

    path: Path
    size: int  # bytes
    changed: int  # ns since 1970


class FileSettings(NamedTuple):
    """How files of the inbox are taken."""

    rule: str = RULE  # regular expression with groups machine and section
    settle: float = 1.0  # s that a file stays the same until it is whole
    patience: float = 30.0  # s that a file may be unreadable before it goes to the quarantine
    poll: float = 1.0  # s between two looks at the folder
    take: bool = False  # move scored files into the history's folder


class Inbox:
    """Watches a folder and everything below it.

    A file is whole when its writer has closed it, or it was renamed, where the system tells; when
    it appeared with content and wasn't modified for QUIET seconds, as one that is moved in from
    elsewhere; or when its size and time of change have stayed the same for `settle` seconds.
    """

    def __init__(self, folder: Path, settle: float):
        self._folder, self._settle = folder, settle
        self._closed: set[str] = set()
        self._appeared: dict[str, float] = {}  # path -> when, monotonic s; not modified since
        self._since: dict[Path, tuple[Arrival, float]] = {}
        self._woken = Event()
        self._observer = _observe(folder, self._notice)

    def close(self) -> None:
        """Stops watching, without waiting half a second for watchdog's threads to end."""
        if self._observer is not None:
            Thread(target=self._observer.stop, daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Waits for a change in the folder, or until the time has passed."""
        self._woken.wait(min(seconds, QUIET) if self._appeared else seconds)
        self._woken.clear()

    def look(self, done: Mapping[str, tuple[int, int]]) -> tuple[list[Arrival], int]:
        """Lists the files that aren't done, in the order of their times of change.

        Args:
          done: path within the inbox -> size and time of change of the files already dealt with.

        Returns:
          The whole files before the first one that isn't, and the number of the others.
        """
        now, since, whole, waiting = time.monotonic(), {}, [], 0
        for arrival in arrivals(self._folder):
            name = str(arrival.path.relative_to(self._folder))
            if done.get(name) == (arrival.size, arrival.changed):
                self._closed.discard(str(arrival.path))
                self._appeared.pop(str(arrival.path), None)
                continue
            before, start = self._since.get(arrival.path, (None, now))
            since[arrival.path] = arrival, start if before == arrival else now
            # One that isn't whole yet holds back the later ones, so that the order is kept.
            if not waiting and self._is_whole(arrival, now, since[arrival.path][1]):
                whole.append(arrival)
            else:
                waiting += 1
        self._since = since
        return whole, waiting

    def _is_whole(self, arrival: Arrival, now: float, since: float) -> bool:
        path = str(arrival.path)
        appeared = self._appeared.get(path, now)
        return (
            path in self._closed
            or (arrival.size > 0 and now - appeared >= QUIET)
            or now - since >= self._settle
        )

    def _notice(self, path: str, kind: str) -> None:
        """Notes that a file was "closed", "modified" or "created"; watchdog calls it."""
        if not path.lower().endswith(AUDIO_SUFFIXES):
            return
        self._closed.discard(path)
        self._appeared.pop(path, None)
        if kind == "closed":
            self._closed.add(path)
        elif kind == "created":
            self._appeared[path] = time.monotonic()
        self._woken.set()


def arrivals(folder: Path) -> list[Arrival]:
    """Lists the files named as recordings below a folder, by time of change, then by path."""
    files = []
    for path in folder.rglob("*"):
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith("."):
            try:
                status = path.stat()
            except OSError:  # gone meanwhile, or a broken link
                continue
            files.append(Arrival(path, status.st_size, status.st_mtime_ns))
    return sorted(files, key=lambda arrival: (arrival.changed, str(arrival.path)))


def section_of_path(
    name: str, rule: re.Pattern, sections: Mapping[str, list[int]]
) -> tuple[str, int]:
    """Returns the machine type and section of a file.

    Args:
      name: its path within the inbox, with slashes.
      rule: may have groups "machine" and "section". Without "machine", a folder in the path names
        the machine type, unless there is only one; without "section", there must be only one.
      sections: machine type -> its sections.

    Raises:
      InputError: a path without a known machine type and section.
    """
    match = rule.search(name)
    groups = match.groupdict() if match else {}
    folders = [part for part in Path(name).parts if part in sections]
    only = next(iter(sections)) if len(sections) == 1 else ""
    machine = groups.get("machine") or (folders[0] if folders else only)
    if machine not in sections:
        raise InputError(
            f"{name}: machine type {machine or 'not named'}, expected a folder named "
            f"{' or '.join(sections)}"
        )
    known, number = sections[machine], groups.get("section")
    if number is None and len(known) == 1:
        return machine, known[0]
    if number is None or int(number) not in known:
        raise InputError(
            f"{name}: section {number or 'not named'}, expected section_NN or id_NN in the path, "
            f"NN one of {', '.join(f'{s:02d}' for s in known)}"
        )
    return machine, int(number)


def label_of(name: str) -> int:
    """Returns the label that a file's path tells: 0 normal, 1 anomaly, -1 unknown."""
    labels = LABEL.findall(name)
    return LABELS[labels[-1].lower()] if labels else UNKNOWN


def _observe(folder: Path, notice: Any) -> Any:
    """Starts watchdog's observer; None where it isn't installed or the system has no events."""
    try:
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer
    except ImportError:
        return None

    class Handler(FileSystemEventHandler):
        def on_closed(self, event):
            notice(event.src_path, "closed")

        def on_moved(self, event):
            notice(event.dest_path, "closed")

        def on_modified(self, event):
            if not event.is_directory:
                notice(event.src_path, "modified")

        def on_created(self, event):
            if not event.is_directory:
                notice(event.src_path, "created")

    logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_end)
    observer = Observer()
    try:
        observer.schedule(Handler(), str(folder), recursive=True)
        observer.start()
    except OSError:  # no events left, or a file system without them
        return None
    return observer


def _is_no_end(record: logging.LogRecord) -> bool:
    """Returns whether a message is more than the observer's error about its own orderly end."""
    return "thread is inactive" not in record.getMessage()
