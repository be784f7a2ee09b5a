"""Files that are dealt with are moved once, also after a kill between the record and the move."""

import os

import pytest

from jax_dns.monitor.files_done import files_done, put_away, readable, record_file, taken_path
from jax_dns.monitor.history import History
from jax_dns.monitor.inbox import arrivals


@pytest.fixture
def place(tmp_path):
    (tmp_path / "inbox/fan").mkdir(parents=True)
    (tmp_path / "inbox/fan/a.wav").write_bytes(b"sound")
    history = History.open(tmp_path / "history", k=2)
    yield tmp_path / "inbox", history
    history.close()


@pytest.mark.parametrize(
    "outcome, take, moved",
    [("scored", False, None), ("duplicate", False, None), ("quarantined", False, "quarantine")]
    + [("scored", True, "clips"), ("duplicate", True, "quarantine")],
)
def test_where_files_go(place, outcome, take, moved):
    inbox, history = place
    (arrival,) = arrivals(inbox)
    record_file(history, "fan/a.wav", arrival, outcome, "abcd")
    assert files_done(history) == {"fan/a.wav": (5, arrival.changed)}
    assert put_away(history, inbox, "fan/a.wav", take=take) == bool(moved)
    assert (inbox / "fan/a.wav").exists() != bool(moved)
    if moved:
        (path,) = (history.folder / moved).rglob("*.wav")
        assert path.read_bytes() == b"sound" and files_done(history) == {}
    if moved == "clips":
        assert path == taken_path(history.folder, "fan/a.wav", "abcd")


def test_a_new_file_of_the_same_name_stays(place):
    inbox, history = place
    (arrival,) = arrivals(inbox)
    record_file(history, "fan/a.wav", arrival, "quarantined", "why")
    os.utime(inbox / "fan/a.wav", (1, 1))
    assert put_away(history, inbox, "fan/a.wav", take=False)
    assert (inbox / "fan/a.wav").exists() and files_done(history) == {}


def test_names_that_are_not_utf8_are_written_out():
    assert readable(os.fsdecode(b"a\xff.wav")) == r"a\xff.wav"
