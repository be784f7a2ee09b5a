"""Requests wait in the database, and are applied in order and once."""

import pytest

from jax_dns.monitor.acknowledge import acknowledged_normals, apply_requests, send_request
from jax_dns.monitor.history import ClipRecord, History


def test_requests_are_applied_in_order_and_once(tmp_path, rng):
    history = History.open(tmp_path, k=2)
    for i in range(3):
        record = ClipRecord(str(i), str(i), float(i), score=float(i), distance=2.0 * i)
        history.append(
            "fan", 0, record, rng.normal(size=1), rng.normal(size=(1, 2)), evidence=False
        )
    for clip, kind in ((2, "normal"), (3, "normal"), (3, "fault")):
        send_request(tmp_path, clip, kind)
    assert apply_requests(history) == [("fan", 0)] * 3
    assert apply_requests(history) == []
    assert history.smoothed("fan", 0).evidence.tolist() == [False, True, False]
    scores, distances = acknowledged_normals(history, "fan", 0)
    assert scores.tolist() == [1] and distances.tolist() == [2]
    (reset,) = history.connection.execute("SELECT reset FROM section").fetchone()
    assert reset == 3
    history.close()


def test_a_request_that_fails_stays(tmp_path, rng, monkeypatch):
    history = History.open(tmp_path, k=2)
    history.append("fan", 0, ClipRecord("a", "a", 0.0), rng.normal(size=1), rng.normal(size=(1, 2)))
    send_request(tmp_path, 1, "fault")
    monkeypatch.setattr(history, "emit", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        apply_requests(history)
    monkeypatch.undo()
    assert history.smoothed("fan", 0).evidence.all()  # rolled back, in memory too
    assert apply_requests(history) == [("fan", 0)]
    assert not history.smoothed("fan", 0).evidence.any()
    history.close()
