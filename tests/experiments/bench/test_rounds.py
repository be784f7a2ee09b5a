"""Interleaved rounds, and the engines that are left out of them."""

import time

import numpy as np
import pytest
import rounds
from rounds import Engine, measure


def engine(name, call, role="baseline"):
    return Engine(name, role, "CPU", call)


def test_rounds_are_interleaved_after_one_call_each(monkeypatch):
    monkeypatch.setattr(rounds, "REPEATED", 0)
    calls = []
    engines = [
        engine(name, lambda name=name: calls.append(name) or np.zeros(1)) for name in ("a", "b")
    ]
    measurements = measure(engines, rounds=2, limit=10)
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert [len(m.seconds) for m in measurements] == [2, 2]
    assert all(m.note == "" and m.result.shape == (1,) and m.first > 0 for m in measurements)


def test_short_calls_are_repeated_and_their_mean_is_taken(monkeypatch):
    monkeypatch.setattr(rounds, "REPEATED", 0.05)
    calls = []
    (timed,) = measure([engine("a", lambda: calls.append(time.sleep(0.01)))], rounds=1, limit=10)
    assert 2 <= len(calls) - 1 <= 5
    assert 0.01 <= timed.seconds[0] < 0.05


def test_failing_and_slow_baselines_are_left_out_with_the_reason():
    def lacking():
        raise ImportError("No module named 'faiss'")

    slow = engine("slow", lambda: time.sleep(0.02))
    ours = engine("ours", lambda: time.sleep(0.02), role="ours")
    lacks, late, timed = measure([engine("lacks", lacking), slow, ours], rounds=1, limit=0.01)
    assert lacks.note == "left out: ImportError: No module named 'faiss'" and not lacks.seconds
    assert late.note.endswith("the limit is 0.01 s") and not late.seconds
    assert timed.note == "" and len(timed.seconds) == 1


def test_our_own_errors_are_raised():
    def broken():
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        measure([engine("ours", broken, role="ours")], rounds=1, limit=1)
