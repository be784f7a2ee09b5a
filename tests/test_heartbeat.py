"""Lines in a log while something is at work."""

import time

import pytest

from jax_dns import heartbeat as module
from jax_dns.heartbeat import at_work, heartbeat


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.01)


def test_lines_come_while_the_body_runs_and_end_with_it(fast, capsys):
    numbers = iter(range(1000))
    with heartbeat(lambda: f"line {next(numbers)}"):
        time.sleep(0.2)
    lines = capsys.readouterr().out.splitlines()
    assert 3 <= len(lines) <= 21 and lines == [f"line {i}" for i in range(len(lines))]
    time.sleep(0.05)
    assert capsys.readouterr().out == ""


def test_lines_end_with_an_exception(fast, capsys):
    with pytest.raises(ZeroDivisionError), at_work("fan"):
        time.sleep(0.05)
        _ = 1 / 0
    assert "fan: at work for 0 s" in capsys.readouterr().out
    time.sleep(0.05)
    assert capsys.readouterr().out == ""


def test_a_terminal_shows_bars_instead(fast, capsys, monkeypatch):
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    with at_work("fan"):
        time.sleep(0.05)
    assert capsys.readouterr().out == ""
