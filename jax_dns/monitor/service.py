"""The monitor: takes recordings from an inbox, scores them and appends them to a history."""

import errno
import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jax_dns.data.decode import decode
from jax_dns.errors import InputError
from jax_dns.files import bytes_digest
from jax_dns.fingerprints import fingerprint
from jax_dns.monitor.acknowledge import acknowledged_normals, apply_requests
from jax_dns.monitor.decisions import Settings, hit_level, normals_needed
from jax_dns.monitor.files_done import files_done, put_away, readable, record_file, taken_path
from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.inbox import Arrival, FileSettings, Inbox, label_of, section_of_path
from jax_dns.monitor.judge import (
    CLOCK_STEP,
    HistorySettings,
    MonitoredSection,
    append_judged,
    with_smoothing,
)
from jax_dns.monitor.known_normals import known_normals
from jax_dns.pipeline.clip_scorer import ClipScorer
from jax_dns.segments_file import Clips, clip_scores

RETRY = 5.0  # s before a full disk is tried again
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Log = Callable[[dict[str, Any]], None]


class Monitor(NamedTuple):
    """A service's state: everything that is loaded once."""

    folder: Path  # of the history
    inbox: Path
    history: History
    scorers: dict[str, ClipScorer]
    sections: dict[tuple[str, int], MonitoredSection]
    done: dict[str, tuple[int, int]]  # path in the inbox -> size and time of change
    refused: dict[str, float]  # path in the inbox -> when it was first unreadable, monotonic s
    settings: Settings
    files: FileSettings
    history_settings: HistorySettings


DEFAULTS = Settings(), FileSettings(), HistorySettings()


def open_monitor(
    scorers: dict[str, ClipScorer],
    inbox: Path,
    folder: Path,
    *,
    k: int | None = None,
    settings: Settings = DEFAULTS[0],
    files: FileSettings = DEFAULTS[1],
    history_settings: HistorySettings = DEFAULTS[2],
) -> Monitor:
    """Opens the history, and compiles the programs that score clips.

    Args:
      scorers: of the trained run, by machine type.
      inbox: folder that recordings arrive in.
      folder: of the history, which the caller has locked.
      k: K of the smoothed scores, see `History.open`.
      settings: of the decisions.
      files: how files are taken.
      history_settings: how much of the history is kept, and how often it is compared.

    Returns:
      The monitor; close its history.

    Raises:
      InputError: a history of another model, or a run without known normals.
    """
    history = History.open(folder, k=k, model=model_digest(scorers))
    done = files_done(history)
    monitor = Monitor(
        folder, inbox, history, scorers, {}, done, {}, settings, files, history_settings
    )
    needed = normals_needed(settings.alarm_days, settings)
    with history.transaction():
        for name, days in (("alarm_p", settings.alarm_days), ("warning_p", settings.warning_days)):
            history.connection.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, hit_level(days, settings))
            )
        for name, scorer in scorers.items():
            for section in np.unique(scorer.segments.section).tolist():
                where = {"machine": name, "section": section}
                try:
                    monitored = _load_section(monitor, name, section)
                except InputError as error:
                    history.emit("not_monitored", **where, reason=str(error))
                    continue
                monitor.sections[name, section] = monitored
                if len(monitored.known.scores) < needed:
                    reason = (
                        f"{len(monitored.known.scores)} held-out normal clips, expected {needed} "
                        f"or more for p-values of {hit_level(settings.alarm_days, settings):.2g} "
                        "(more hits, or a shorter time between false alarms, need fewer)"
                    )
                    history.emit("no_alarms", **where, reason=reason)
    if not monitor.sections:
        history.close()
        raise InputError("the trained run: no section with held-out normal clips (split valid)")
    for name, scorer in scorers.items():
        _warm_up(scorer, next((s for n, s in monitor.sections if n == name), 0))
    for name in [*done]:
        _put_away(monitor, name)
    return monitor


def model_digest(scorers: dict[str, ClipScorer]) -> str:
    """Returns a digest of the run's trained components."""
    return fingerprint(sorted((name, scorer.model) for name, scorer in scorers.items()))


def run(monitor: Monitor, log: Log, *, once: bool = False) -> None:
    """Works until a signal ends the process.

    Args:
      monitor: open.
      log: called with each event, in order; after a kill the last ones may come again, with the
        same ids.
      once: return when everything in the inbox is dealt with.
    """
    inbox = Inbox(monitor.inbox, monitor.files.settle)
    printed = _print_events(monitor.history, log, 0)
    try:
        while True:
            try:
                _apply(monitor)
                whole, waiting = inbox.look(monitor.done)
                for arrival in whole:
                    waiting += not process(monitor, arrival)
                    printed = _print_events(monitor.history, log, printed)
                    _apply(monitor)
                printed = _print_events(monitor.history, log, printed)
            except (OSError, sqlite3.OperationalError) as error:
                if not _is_full(error):
                    raise
                reason = f"{monitor.folder}: {getattr(error, 'strerror', None) or error}"
                if once:
                    raise InputError(f"{reason} (expected room for the history)") from error
                log({"event": "disk_full", "reason": reason})
                time.sleep(RETRY)
                continue
            if once and not waiting:
                return
            inbox.wait(
                min(monitor.files.poll, monitor.files.settle) if waiting else monitor.files.poll
            )
    finally:
        inbox.close()


def process(monitor: Monitor, arrival: Arrival) -> bool:
    """Scores a file, or puts it into the quarantine.

    Returns:
      Whether it is dealt with; False for a file that can't be read yet.
    """
    name = arrival.path.relative_to(monitor.inbox).as_posix()
    sections = {
        machine: [s for m, s in monitor.sections if m == machine] for machine in monitor.scorers
    }
    history = monitor.history
    try:
        name.encode()
    except UnicodeEncodeError:
        return _finish(monitor, arrival, "quarantined", f"{readable(name)}: not a name in UTF-8")
    try:
        machine, section = section_of_path(name, re.compile(monitor.files.rule), sections)
    except InputError as error:
        return _finish(monitor, arrival, "quarantined", str(error))
    scorer = monitor.scorers[machine]
    try:
        samples = decode(arrival.path, scorer.audio_format)
    except InputError as error:
        first = monitor.refused.setdefault(name, time.monotonic())
        if time.monotonic() - first < monitor.files.patience and not arrival.path.is_dir():
            return False
        return _finish(monitor, arrival, "quarantined", str(error))
    digest = bytes_digest(samples.tobytes())
    if history.seen(machine, section, digest):
        reason = f"{name}: the same samples as a clip in the history"
        return _finish(monitor, arrival, "duplicate", reason)
    try:
        scores, features = scorer.score(samples, section)
    except InputError as error:
        return _finish(monitor, arrival, "quarantined", str(error))
    now, recorded = time.time(), arrival.changed / 1e9
    record = ClipRecord(
        arrival.path.name,
        digest,
        min(recorded, now + CLOCK_STEP),
        str(taken_path(monitor.folder, name, digest) if monitor.files.take else arrival.path),
        score=_clip_score(scores, scorer.aggregate),
        label=label_of(name),
    )
    monitored = monitor.sections[machine, section]
    options = monitor.settings, monitor.history_settings
    with history.transaction():
        looked_back = append_judged(history, monitored, record, scores, features, *options)
        if recorded > now + CLOCK_STEP:
            history.emit("clock_ahead", name=record.name, time=recorded, clock=now)
        record_file(history, name, arrival, "scored", digest)
    if looked_back:
        monitor.sections[machine, section] = with_smoothing(history, monitored, *options)
    return _after(monitor, name, arrival)


def _finish(monitor: Monitor, arrival: Arrival, outcome: str, reason: str) -> bool:
    """Records a file that isn't scored, and why."""
    name = arrival.path.relative_to(monitor.inbox).as_posix()
    with monitor.history.transaction():
        record_file(monitor.history, name, arrival, outcome, reason)
        monitor.history.emit(outcome, name=readable(name), reason=reason)
    return _after(monitor, name, arrival)


def _after(monitor: Monitor, name: str, arrival: Arrival) -> bool:
    monitor.refused.pop(name, None)
    monitor.done[name] = arrival.size, arrival.changed
    _put_away(monitor, name)
    return True


def _put_away(monitor: Monitor, name: str) -> None:
    if put_away(monitor.history, monitor.inbox, name, take=monitor.files.take):
        monitor.done.pop(name, None)


def _apply(monitor: Monitor) -> None:
    """Applies the requests of people."""
    for key in apply_requests(monitor.history):
        if key in monitor.sections:
            monitor.sections[key] = _load_section(monitor, *key)


def _load_section(monitor: Monitor, machine: str, section: int) -> MonitoredSection:
    """Collects a section's known normals, acknowledged ones too, and the state of its evidence.

    Raises:
      InputError: the run has no known normals of the section.
    """
    scorer, history = monitor.scorers[machine], monitor.history
    known = known_normals(scorer.segments, section, scorer.aggregate)
    known = known.with_clips(*acknowledged_normals(history, machine, section))
    monitored = MonitoredSection(machine, section, known, scorer.aggregate)
    return with_smoothing(history, monitored, monitor.settings, monitor.history_settings)


def _print_events(history: History, log: Log, printed: int) -> int:
    """Logs the events since number `printed`; returns the last one's number."""
    if not printed:
        row = history.connection.execute("SELECT value FROM meta WHERE name = 'printed'").fetchone()
        printed = row[0] if row else 0
    rows = history.connection.execute(
        "SELECT id, time, content FROM event WHERE id > ? ORDER BY id", (printed,)
    ).fetchall()
    for number, at, content in rows:
        log({"id": number, "at": at} | json.loads(content))
        printed = number
    if rows:
        history.connection.execute("INSERT OR REPLACE INTO meta VALUES ('printed', ?)", (printed,))
    return printed


def _clip_score(scores: np.ndarray, aggregate: str) -> float:
    one, zero = np.asarray([""]), np.zeros(1, np.int32)
    clips = Clips(one, zero, one, zero, np.zeros(len(scores), np.int64))
    return float(clip_scores(clips, scores, aggregate)[0])


def _warm_up(scorer: ClipScorer, section: int) -> None:
    """Compiles the programs for clips as long as the run's, before the first file comes."""
    samples = np.random.default_rng(0).normal(size=scorer.typical_samples)
    scorer.score(samples.astype(np.float32), section)


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL
    return "full" in str(error) or "disk I/O" in str(error)
