"""Which clips a section's level depends on."""

import pytest

from jax_dns.monitor.decisions import Evidence, Level, Settings
from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.judge import (
    chosen_p,
    clips_since_reset,
    last_time,
    level_before,
    number_or_none,
)


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
