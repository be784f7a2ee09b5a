"""Which clips a section's level depends on."""

import json

import numpy as np
import pytest

from jax_dns.monitor.decisions import Evidence, Level, Settings
from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.judge import (
    HistorySettings,
    MonitoredSection,
    append_judged,
    chosen_p,
    clips_since_reset,
    last_time,
    level_before,
    number_or_none,
    with_smoothing,
)
from jax_dns.monitor.known_normals import KnownNormals

SETTINGS = Settings(0.05, 0.02, 1440.0, 2, 3)


@pytest.fixture
def history(tmp_path, rng):
    history = History.open(tmp_path, k=2)
    for i in range(5):
        record = ClipRecord(str(i), str(i), float(9 - i), p=i / 10, p_score=0.5, level=f"level {i}")
        history.append("fan", 0, record, rng.normal(size=1), rng.normal(size=(1, 2)))
    yield history
    history.close()


def test_the_level_before_a_clip_is_the_last_clips(history):
    settings = Settings(hits=2, window=3)
    assert level_before(history, "fan", 0, settings) == Level("level 4", (0.2, 0.3, 0.4))
    by_score = level_before(history, "fan", 0, settings._replace(evidence="score"))
    assert by_score.recent == (0.5,) * 3
    assert level_before(history, "fan", 1, settings) == Level("normal", ())
    assert last_time(history, "fan", 0) == 5 and last_time(history, "fan", 1) is None
    history.connection.execute("UPDATE section SET reset = 4")
    assert level_before(history, "fan", 0, settings) == Level("level 4", (0.4,))
    assert clips_since_reset(history, "fan", 0) == 1
    history.connection.execute("UPDATE section SET reset = 5")
    assert level_before(history, "fan", 0, settings) == Level("normal", ())


def test_values_for_events():
    evidence = Evidence(0.1, 0.2, 0.3, 0.4)
    chosen = [chosen_p(evidence, Settings(evidence=e)) for e in ("score", "distance", "both")]
    assert chosen == [0.1, 0.2, 0.3]
    assert number_or_none(float("nan")) is None and number_or_none(2.0) == 2


def watch(folder, *, history_settings, stops=(), settings=SETTINGS, clips=200):
    """Judges clips of two segments, faults from number 104 on; returns the events."""
    rng = np.random.default_rng(0)
    known = KnownNormals(
        rng.normal(size=(200, 3)).astype(np.float32),
        rng.normal(size=60),
        np.ones(60),
        0.5 * rng.normal(size=(60, 3)),
    )
    history, monitored = History.open(folder, k=4), MonitoredSection("fan", 0, known, "mean")
    for i in range(clips):
        fault = i >= 104
        features = (0.5 * rng.normal(size=(2, 3)) + 1.5 * fault).astype(np.float32)
        scores = rng.normal() + 0.5 * rng.normal(size=2) + 1.2 * fault
        record = ClipRecord(f"{i}.wav", f"{i}", float(i), score=float(scores.mean()))
        with history.transaction():
            looked = append_judged(
                history, monitored, record, scores, features, settings, history_settings
            )
        if i in stops:
            history.close()
            history = History.open(folder, k=4)
        if looked or i in stops:
            monitored = with_smoothing(history, monitored, settings, history_settings)
    rows = history.connection.execute("SELECT content FROM event ORDER BY id").fetchall()
    history.close()
    return [json.loads(content) for (content,) in rows]


def test_smoothing_joins_where_the_rule_says_that_it_separates(tmp_path):
    history_settings = HistorySettings(keep_items=128, look_back_clips=64, drift_clips=1000)
    events = watch(tmp_path / "a", history_settings=history_settings)
    looks = [event for event in events if event["event"] == "look_back"]
    assert [look["separates"] for look in looks] == [False, True, False]
    assert "lie apart" in looks[2]["choice"]  # nearly all of its 64 clips are faults
    begins, ends = [event for event in events if event["event"] == "smoothing"]
    assert begins["joins"] and begins["k"] > 1 and begins["clip"] == 128
    assert not ends["joins"] and ends["clip"] == 192
    clips = [event for event in events if event["event"] == "clip"]
    assert [clip["p_smoothed"] is not None for clip in clips] == [
        128 <= i < 192 for i in range(200)
    ]
    calibrating = [round(clip["p"] * 31, 6) % 1 == 0 for clip in clips]  # 30 of the 60
    assert all(calibrating[128:192]) and not all(calibrating[:128])
    assert watch(tmp_path / "b", history_settings=history_settings, stops=(50, 128, 150)) == events


@pytest.mark.parametrize(
    "others, settings",
    [({"join": False}, {}), ({}, {"evidence": "score"}), ({}, {"hits": 1, "window": 1})],
)
def test_smoothing_stays_out_otherwise(tmp_path, others, settings):
    history_settings = HistorySettings(
        keep_items=128, look_back_clips=64, drift_clips=1000, **others
    )
    events = watch(
        tmp_path,
        history_settings=history_settings,
        settings=SETTINGS._replace(**settings),
        clips=130,
    )
    assert "smoothing" not in {event["event"] for event in events}
    assert all(event.get("p_smoothed") is None for event in events)
