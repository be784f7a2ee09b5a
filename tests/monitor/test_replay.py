"""False alarms and delays of recorded p-values, by hand."""

import numpy as np
import pytest

from jax_dns.monitor.decisions import Settings
from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.replay import recorded_clips, replay, replay_table

SETTINGS = Settings(1.0, 0.5, 100.0, hits=2, window=2)  # p-values of 0.1 are hits
P = [0.5, 0.01, 0.02, 0.5, 0.5, 0.01, 0.5, 0.01, 0.03, 0.01]


@pytest.fixture
def history(tmp_path):
    history = History.open(tmp_path, k=2)
    for i, p in enumerate(P):
        record = ClipRecord(
            str(i), str(i), 43_200.0 * i, p=p, p_score=1.0, p_distance=p, label=int(i == 6)
        )
        history.append("fan", 0, record, np.ones(1), np.ones((1, 2)))
    yield history
    history.close()


def test_an_alarm_before_the_fault_is_false_and_one_after_it_is_late(history):
    outcome = replay(recorded_clips(history, "fan", 0), SETTINGS)
    # Clips 1 and 2 raise a false alarm; the fault comes with clip 6, the alarm with clip 8.
    assert outcome == (1, 2.5, 2, 1.0)
    missed = replay(recorded_clips(history, "fan", 0), SETTINGS._replace(evidence="score"))
    assert missed == (0, 2.5, None, None)


def test_what_people_said_counts_before_names(history):
    history.connection.execute("UPDATE clip SET acknowledged = 'normal' WHERE name = '6'")
    outcome = replay(recorded_clips(history, "fan", 0), SETTINGS)
    assert outcome == (2, 4.5, None, None)


def test_the_table_has_a_line_for_each_kind_of_evidence(history):
    lines = replay_table(history, SETTINGS).splitlines()
    assert len(lines) == 5 and lines[2].split() == ["fan", "00", "both", "10", "1", "0.4", "2", "1"]
    assert lines[3].split() == ["fan", "00", "score", "10", "0", "0", "-", "-"]
