"""What is in the inbox, when it is whole, and which section it belongs to."""

import logging
import os
import re
import time

import pytest

from jax_dns.errors import InputError
from jax_dns.monitor import inbox as inbox_module
from jax_dns.monitor.inbox import RULE, Inbox, arrivals, label_of, section_of_path

SECTIONS = {"fan": [0, 3], "pump": [2]}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("fan/section_03_target_test_0001.wav", ("fan", 3)),
        ("today/fan/id_00/7.flac", ("fan", 0)),
        ("pump/anything.wav", ("pump", 2)),
    ],
)
def test_names_tell_the_section(name, expected):
    assert section_of_path(name, re.compile(RULE), SECTIONS) == expected


def test_a_rule_of_ones_own():
    rule = re.compile(r"(?P<machine>[a-z]+)-no(?P<section>\d)-")
    assert section_of_path("hall/fan-no3-10h.wav", rule, SECTIONS) == ("fan", 3)
    assert section_of_path("hall/10h.wav", re.compile("x"), {"saw": [5]}) == ("saw", 5)


@pytest.mark.parametrize(
    "name, message",
    [
        ("fan/a.wav", "section not named, expected section_NN or id_NN in the path, NN one of 00"),
        ("fan/section_01_a.wav", "section 01, expected"),
        ("saw/section_00_a.wav", "machine type not named, expected a folder named fan or pump"),
    ],
)
def test_names_that_tell_nothing(name, message):
    with pytest.raises(InputError, match=message):
        section_of_path(name, re.compile(RULE), SECTIONS)


def test_labels_in_names():
    assert label_of("fan/section_00_source_test_anomaly_0001.wav") == 1
    assert label_of("fan/abnormal/1.wav") == 1 and label_of("fan/normal_1.wav") == 0
    assert label_of("abnormality/section_00_source_test_0001.wav") == -1


def test_arrivals_in_the_order_of_their_times(tmp_path):
    for name, when in (("b.WAV", 5), ("c.flac", 3), ("a.wav", 5), ("no.txt", 1), (".d.wav", 1)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (when, when))
    (tmp_path / "broken.wav").symlink_to("nowhere")
    assert [a.path.name for a in arrivals(tmp_path)] == ["c.flac", "a.wav", "b.WAV"]


@pytest.mark.parametrize("events", [True, False])
def test_a_file_is_whole_once_closed_or_unchanged(tmp_path, tmp_path_factory, monkeypatch, events):
    if not events:
        monkeypatch.setattr(inbox_module, "_observe", lambda folder, notice: None)
    inbox = Inbox(tmp_path, settle=30.0 if events else 0.2)
    try:
        with (tmp_path / "a.wav").open("wb") as file:
            file.write(b"some")
            file.flush()
            inbox.wait(0.2)
            assert inbox.look({}) == ([], 1)
            time.sleep(0 if events else 0.15)
            file.write(b"more")
        deadline = time.monotonic() + 20
        while not inbox.look({})[0]:
            assert time.monotonic() < deadline
            inbox.wait(0.05)
        ((arrival,), waiting) = inbox.look({})
        assert arrival.size == 8 and waiting == 0
        done = {"a.wav": (arrival.size, arrival.changed)}
        assert inbox.look(done) == ([], 0)
        outside = tmp_path_factory.mktemp("outside") / "part"
        outside.write_bytes(b"moved in")
        outside.rename(tmp_path / "b.wav")
        while not inbox.look(done)[0]:
            assert time.monotonic() < deadline
            inbox.wait(0.05)
    finally:
        inbox.close()


def test_a_later_file_waits_for_an_earlier_one(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"there before the watch")
    os.utime(tmp_path / "a.wav", (1, 1))
    inbox = Inbox(tmp_path, settle=1.0)
    try:
        (tmp_path / "b.wav").write_bytes(b"closed")
        deadline = time.monotonic() + 20
        while str(tmp_path / "b.wav") not in inbox._closed:
            assert time.monotonic() < deadline
            inbox.wait(0.02)
        seen = []
        while len(seen) < 2:
            assert time.monotonic() < deadline
            seen = [arrival.path.name for arrival in inbox.look({})[0]]
            assert seen in ([], ["a.wav", "b.wav"])
            inbox.wait(0.02)
    finally:
        inbox.close()


def test_the_observers_end_is_no_error(tmp_path, caplog):
    Inbox(tmp_path, settle=1.0).close()
    observers = logging.getLogger("watchdog.observers.inotify")
    observers.error("queue_events() called when the thread is inactive")
    observers.error("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_closing_takes_no_time(tmp_path):
    """Though watchdog waits for the second half of a file's move."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/a.wav").write_bytes(b"x")
    inbox = Inbox(tmp_path / "inbox", 1.0)
    (tmp_path / "inbox/a.wav").rename(tmp_path / "a.wav")
    time.sleep(0.05)
    start = time.perf_counter()
    inbox.close()
    assert time.perf_counter() - start < 0.2
    if inbox._observer is not None:
        inbox._observer.join(timeout=5)
        assert not inbox._observer.is_alive()
