"""Runs a recorded history through other settings: false alarms a day and delay to detection."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from tabulate import tabulate

from jax_dns.monitor.decisions import Settings, alarm_starts
from jax_dns.monitor.history import History
from jax_dns.monitor.judge import P_COLUMNS

DAY = 86_400.0  # s


class Recorded(NamedTuple):
    """A section's clips in the order of their arrival."""

    p: dict[str, Float[np.ndarray, " n"]]  # by kind of evidence
    time: Float[np.ndarray, " n"]  # s since 1970
    label: Int[np.ndarray, " n"]  # 0 normal, 1 fault, -1 unknown


class Outcome(NamedTuple):
    """False alarms and delay of the alarms that some settings would have raised."""

    false_alarms: int  # that began before the first fault
    days: float  # until the first fault
    delay_clips: int | None  # from the first fault to an alarm; None: no fault, or none detected
    delay_days: float | None


def replay(recorded: Recorded, settings: Settings) -> Outcome:
    """Counts a section's false alarms and the delay to the detection of its first fault.

    A clip is a fault if a person has acknowledged it as one, or its name tells so. Alarms that
    began earlier count as false and don't detect it, though they may still be on.
    """
    starts = np.flatnonzero(alarm_starts(recorded.p[settings.evidence], settings))
    faults = np.flatnonzero(recorded.label == 1)
    first = int(faults[0]) if len(faults) else len(recorded.time)
    before = recorded.time[: max(first, 1)]
    days = float(before.max() - before.min()) / DAY if len(before) else 0.0
    detected = starts[starts >= first]
    delays = (None, None)
    if len(faults) and len(detected):
        delays = int(detected[0]) - first, float(np.diff(recorded.time[[first, detected[0]]])[0])
        delays = delays[0], delays[1] / DAY
    return Outcome(int((starts < first).sum()), days, *delays)


def recorded_clips(history: History, machine: str, section: int) -> Recorded:
    """Reads the clips of a section."""
    rows = history.connection.execute(
        "SELECT p, p_score, p_distance, time, label, acknowledged FROM clip JOIN section "
        "ON section.id = clip.section WHERE machine = ? AND section.section = ? ORDER BY clip.id",
        (machine, section),
    ).fetchall()
    both, score, distance, time, label, acknowledged = zip(*rows) if rows else [()] * 6
    acknowledged_labels = {"fault": 1, "normal": 0}
    labels = [acknowledged_labels.get(a, known) for a, known in zip(acknowledged, label)]
    columns = dict(zip(P_COLUMNS, (np.asarray(c, np.float64) for c in (both, score, distance))))
    return Recorded(columns, np.asarray(time, np.float64), np.asarray(labels, np.int64))


def replay_table(history: History, settings: Settings) -> str:
    """Returns a table of every section and kind of evidence under some settings."""
    rows = []
    for machine, section in history.sections():
        recorded = recorded_clips(history, machine, section)
        for evidence in P_COLUMNS:
            outcome = replay(recorded, settings._replace(evidence=evidence))
            rate = outcome.false_alarms / outcome.days if outcome.days else float("nan")
            delay = outcome.delay_clips
            rows.append(
                (
                    machine,
                    f"{section:02d}",
                    evidence,
                    len(recorded.time),
                    outcome.false_alarms,
                    f"{rate:.3g}",
                    "-" if delay is None else delay,
                    "-" if delay is None else f"{outcome.delay_days:.3g}",
                )
            )
    head = ("machine", "section", "evidence", "clips", "false alarms", "a day")
    return tabulate(rows, (*head, "delay, clips", "delay, days"), disable_numparse=True)
