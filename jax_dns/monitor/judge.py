"""Judges a scored clip: its p-values, the section's level after it, drift, and the events."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.monitor.decisions import (
    Evidence,
    Level,
    Settings,
    clip_distance,
    is_held_back,
    next_level,
    normals_needed,
    weigh,
)
from jax_dns.monitor.drift import drift_level, two_sample
from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.known_normals import KnownNormals
from jax_dns.monitor.look_back import look_back
from jax_dns.monitor.smoothed_evidence import (
    SmoothedEvidence,
    choosing_normals,
    load_evidence,
    part_normals,
    store_choice,
)

P_COLUMNS = {"both": "p", "score": "p_score", "distance": "p_distance"}
CLOCK_STEP = 60.0  # s that clips' times may disagree with the clock and each other


class HistorySettings(NamedTuple):
    """How much of a section's history is kept, and how often it is compared."""

    hold_back: bool = True  # other clips don't take one at the alarm's level as a neighbour
    keep_items: int | None = None  # of a section
    keep_days: float | None = None
    drift_clips: int = 50  # compared with the held-out normals together
    drift_days: float = 30.0  # between false warnings of drift
    look_back_clips: int = 200  # between two looks back
    join: bool = True  # Eq. 7's score is evidence while the adaptive rule says that it separates


class MonitoredSection(NamedTuple):
    """A section and its known normals."""

    machine: str
    section: int
    known: KnownNormals
    aggregate: str
    smoothed: SmoothedEvidence | None = None  # None: Eq. 7's score isn't among the evidence


def append_judged(
    history: History,
    monitored: MonitoredSection,
    record: ClipRecord,
    scores: Float[np.ndarray, " s"],
    features: Float[np.ndarray, "s d"],
    settings: Settings,
    history_settings: HistorySettings,
) -> bool:
    """Judges a clip, appends it to the history, and emits the events that follow.

    Args:
      history: open, in a transaction.
      monitored: the section.
      record: name, digest, time, path, label and score of the clip.
      scores: [s] a_G of its segments.
      features: [s, d].
      settings: of the decisions.
      history_settings: see `HistorySettings`.

    Returns:
      Whether the section was looked back over, after which `with_smoothing` is due.
    """
    key = monitored.machine, monitored.section
    clip_time, last = record.time, last_time(history, *key)
    distance = clip_distance(features, monitored.known.trained)
    evidence = weigh(record.score, distance, monitored.known.scores, monitored.known.distances)
    p_smoothed = float("nan")
    if monitored.smoothed is not None:
        mean = features.mean(0, dtype=np.float64)
        p_smoothed, p = monitored.smoothed.p_values(record.score, distance, mean)
        evidence = evidence._replace(p=p)
    p = chosen_p(evidence, settings)
    before = level_before(history, *key, settings)
    level = next_level(before, p, settings)
    held_back = history_settings.hold_back and is_held_back(p, settings)
    record = record._replace(distance=distance, level=level.name, **evidence._asdict())
    options = dict(keep_items=history_settings.keep_items, keep_days=history_settings.keep_days)
    number, smoothed = history.append(
        *key, record, scores, features, evidence=not held_back, **options
    )
    where = {"machine": monitored.machine, "section": monitored.section, "clip": number}
    name = {"name": record.name}
    history.emit(
        "clip",
        **where,
        **name,
        time=clip_time,
        segments=len(scores),
        score=record.score,
        smoothed=number_or_none(smoothed.mean()),
        distance=distance,
        **{field: number_or_none(value) for field, value in evidence._asdict().items()},
        p_smoothed=number_or_none(p_smoothed),
        level=level.name,
        evidence=not held_back,
    )
    if level.name != before.name:
        history.emit("level", **where, **name, level=level.name, before=before.name, p=p)
    if last is not None and clip_time < last - CLOCK_STEP:
        history.emit("clock_back", **where, **name, time=clip_time, before=last)
    count = clips_since_reset(history, *key)
    if count % history_settings.drift_clips == 0:
        _compare(history, monitored, where, settings, history_settings)
    looks_back = count % history_settings.look_back_clips == 0
    if looks_back:
        _look_back(history, monitored, where, settings, history_settings)
    return looks_back


def with_smoothing(
    history: History,
    monitored: MonitoredSection,
    settings: Settings,
    history_settings: HistorySettings,
) -> MonitoredSection:
    """Takes Eq. 7's score into a section's evidence, or out of it, as the last look back says."""
    if not may_join(settings, history_settings):
        return monitored._replace(smoothed=None)
    needed = normals_needed(settings.alarm_days, settings)
    evidence = load_evidence(history, monitored.machine, monitored.section, monitored.known, needed)
    return monitored._replace(smoothed=evidence)


def may_join(settings: Settings, history_settings: HistorySettings) -> bool:
    """Returns whether the settings let Eq. 7's score join the other two statistics."""
    return history_settings.join and settings.evidence == "both"


def chosen_p(evidence: Evidence, settings: Settings) -> float:
    """Returns the p-value that the settings decide by."""
    return getattr(evidence, P_COLUMNS[settings.evidence])


def level_before(history: History, machine: str, section: int, settings: Settings) -> Level:
    """Returns a section's level after its last clip since it was reset."""
    rows = history.connection.execute(
        f"SELECT {P_COLUMNS[settings.evidence]}, level FROM clip JOIN section "
        "ON section.id = clip.section WHERE machine = ? AND section.section = ? "
        f"AND clip.id > reset AND {P_COLUMNS[settings.evidence]} IS NOT NULL "
        "ORDER BY clip.id DESC LIMIT ?",
        (machine, section, settings.window),
    ).fetchall()
    if not rows:
        return Level("normal", ())
    return Level(rows[0][1], tuple(p for p, _ in reversed(rows)))


def last_time(history: History, machine: str, section: int) -> float | None:
    """Returns the time of a section's last clip; None where it has none."""
    row = history.connection.execute(
        "SELECT time FROM clip JOIN section ON section.id = clip.section "
        "WHERE machine = ? AND section.section = ? ORDER BY clip.id DESC LIMIT 1",
        (machine, section),
    ).fetchone()
    return row[0] if row else None


def clips_since_reset(history: History, machine: str, section: int) -> int:
    """Counts a section's clips since it was reset."""
    return history.connection.execute(
        "SELECT count(*) FROM clip JOIN section ON section.id = clip.section "
        "WHERE machine = ? AND section.section = ? AND clip.id > reset",
        (machine, section),
    ).fetchone()[0]


def number_or_none(value: float) -> float | None:
    """Returns None for NaN, which JSON can't hold."""
    return None if np.isnan(value) else float(value)


def _compare(
    history: History,
    monitored: MonitoredSection,
    where: dict[str, Any],
    settings: Settings,
    history_settings: HistorySettings,
) -> None:
    """Tests the last clips for drift, and emits the outcome."""
    clips = history.connection.execute(
        "SELECT clip.id FROM clip JOIN section ON section.id = clip.section "
        "WHERE machine = ? AND section.section = ? ORDER BY clip.id DESC LIMIT ?",
        (monitored.machine, monitored.section, history_settings.drift_clips),
    ).fetchall()
    features = history.mean_features(
        monitored.machine, monitored.section, [clip for (clip,) in clips]
    )
    level = drift_level(
        history_settings.drift_days, settings.clips_per_day, history_settings.drift_clips
    )
    drift = two_sample(monitored.known.features, features, level=level)
    history.emit("drift", **where, **drift._asdict(), warning=drift.p <= level)


def _look_back(
    history: History,
    monitored: MonitoredSection,
    where: dict[str, Any],
    settings: Settings,
    history_settings: HistorySettings,
) -> None:
    """Looks back over the section's clips, and emits which of them stand out."""
    key, known = (monitored.machine, monitored.section), monitored.known
    needed = normals_needed(settings.alarm_days, settings)
    joins = (
        may_join(settings, history_settings)
        and part_normals(len(known.features), needed) is not None
    )
    if joins:
        known = choosing_normals(known, needed)
    back = look_back(history, *key, known, monitored.aggregate)
    if back is None:
        return
    k, reason = back.choice.k, back.choice.description
    highest = np.argsort(-back.scores, kind="stable")[:5] if k > 1 else []
    names = [str(back.name[i]) for i in highest]
    outcome = dict(separates=k > 1, joins=joins and k > 1, choice=reason, highest=names)
    history.emit("look_back", **where, **outcome)
    if joins and store_choice(history, *key, k, back.number, needed):
        history.emit("smoothing", **where, joins=k > 1, k=k, reason=reason)
