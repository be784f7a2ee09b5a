"""Streams: normal weeks first, then faults; the normal weeks don't depend on their share."""

import numpy as np
from paper import delay_streams
from paper.cells import Cell
from paper.delay_streams import draw_stream, run_to_failure


def test_streams_differ_in_their_faults_only(rng, monkeypatch):
    monkeypatch.setattr(delay_streams, "WEEKS", 0.5)
    anomaly, known = np.arange(90) >= 60, np.arange(90) < 20
    columns = rng.normal(size=90), rng.normal(size=(90, 2)), rng.normal(size=90)
    cell = Cell("s", "a", "b", "c", anomaly, *columns, known)
    streams = [draw_stream(cell, x, 144.0, np.random.default_rng(1)) for x in (0.01, 0.1)]
    (few, normals), (many, _) = streams
    half = len(few.score) // 2
    assert half == 504 and not many.fault[:half].any() and 20 < many.fault.sum() < 90
    assert (few.origin != many.origin).sum() == (few.fault != many.fault).sum() > 0
    assert set(many.origin[~many.fault]) <= set(range(20, 60))
    assert set(many.origin[many.fault]) <= set(range(60, 90)) and len(normals.score) == 20


def test_a_run_to_failure_gets_worse(rng, monkeypatch):
    monkeypatch.setattr(delay_streams, "WEEKS", 0.1)
    stream, known = run_to_failure(rng)
    half = len(stream.score) // 2
    assert stream.fault[half + 1 :].all() and not stream.fault[:half].any()
    late, early = stream.score[-half // 4 :].mean(), stream.score[half : half + half // 4].mean()
    assert late > early + 2 and len(known.score) == 100
