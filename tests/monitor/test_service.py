"""The service: every file once, in order, with one clear event; bad input; levels and requests."""

import contextlib
import os
import sqlite3
import time

import numpy as np
import pytest
import soundfile
from monitor import toy_monitor as toy

from jax_dns.errors import InputError
from jax_dns.monitor import service
from jax_dns.monitor.acknowledge import send_request
from jax_dns.monitor.inbox import arrivals
from jax_dns.monitor.known_normals import known_normals


def put(folder, number, *, level=1.0, section=0, when=None, label=""):
    """Puts a recording into the inbox, whole."""
    path = folder / "fan" / f"section_{section:02d}_source_test_{label}{number:04d}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path.with_suffix(".part"), toy.noise(number, level), toy.RATE, format="WAV")
    when = 1_700_000_000 + 60 * number if when is None else when
    os.utime(path.with_suffix(".part"), (when, when))
    path.with_suffix(".part").rename(path)
    return path


@pytest.fixture
def inbox(tmp_path):
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def work(inbox, folder, **options):
    """Runs the service once over the inbox; returns its events."""
    events = []
    monitor = toy.open_toy(inbox, folder, **options)
    with contextlib.closing(monitor.history):
        service.run(monitor, events.append, once=True)
    return events


def of_kind(events, *kinds):
    return [event for event in events if event["event"] in kinds]


def test_every_file_once_and_in_order(inbox, tmp_path):
    names = [put(inbox, i, section=i % 2).name for i in (3, 1, 2, 7, 5)]
    events = work(inbox, tmp_path / "history")
    assert [e["name"] for e in of_kind(events, "clip")] == sorted(names, key=lambda n: n[-8:])
    first = of_kind(events, "clip")[0]
    assert first["segments"] == 2 and first["section"] == 1 and 0 < first["p"] <= 1
    put(inbox, 9)
    events = work(inbox, tmp_path / "history")
    assert len(of_kind(events, "clip")) == 1 and events[0]["id"] == 6
    assert work(inbox, tmp_path / "history") == []
    assert len(list(inbox.rglob("*.wav"))) == 6


def test_scores_are_the_scorers_and_eq_7s(inbox, tmp_path):
    for i in range(40):
        put(inbox, i)
    monitor = toy.open_toy(inbox, tmp_path / "history")
    with contextlib.closing(monitor.history) as history:
        service.run(monitor, lambda event: None, once=True)
        items = history.smoothed("fan", 0)
        assert len(items.score) == 60  # of 80, as the window says
        scores, features = toy.score(toy.noise(39), 0)
        np.testing.assert_array_equal(items.score[-2:], scores)
        np.testing.assert_array_equal(history.live_features("fan", 0)[-2:], features)
        assert history.check("fan", 0) < 1e-5


def test_taken_files_leave_the_inbox(inbox, tmp_path):
    content = [put(inbox, i).read_bytes() for i in range(3)]
    files = toy.FILES._replace(take=True)
    work(inbox, tmp_path / "history", files=files)
    assert not list(inbox.rglob("*.wav"))
    kept = list((tmp_path / "history/clips").rglob("*.wav"))
    assert sorted(path.read_bytes() for path in kept) == sorted(content)
    again = put(inbox, 1)
    (event,) = work(inbox, tmp_path / "history", files=files)
    assert event["event"] == "duplicate" and "the same samples" in event["reason"]
    assert not again.exists()


def test_a_fault_raises_an_alarm_and_is_no_evidence(inbox, tmp_path):
    for i in range(10):
        put(inbox, i, level=30 if 6 <= i <= 7 else 1.0)
    events = work(inbox, tmp_path / "history")
    levels = [(e["name"][-8:-4], e["level"]) for e in of_kind(events, "level")]
    assert (levels[0] == ("0007", "alarm") and levels[-1][1] == "normal") or len(levels) == 1
    clips = of_kind(events, "clip")
    assert [c["evidence"] for c in clips] == [c["p"] > 0.0887 for c in clips]
    assert not clips[6]["evidence"] and clips[6]["p"] == pytest.approx(1 / 41)
    assert all(c["smoothed"] < clips[6]["smoothed"] for c in clips[:6])
    history_settings = toy.HISTORY_SETTINGS._replace(hold_back=False)
    other = of_kind(work(inbox, tmp_path / "other", history_settings=history_settings), "clip")
    assert all(c["evidence"] for c in other)
    assert other[7]["smoothed"] > clips[7]["smoothed"]  # the first fault is its neighbour


def test_what_people_say_is_applied(inbox, tmp_path):
    history = tmp_path / "history"
    for i in range(8):
        put(inbox, i, level=30 if i >= 6 else 1.0)
    events = work(inbox, history)
    number = of_kind(events, "clip")[7]["clip"]
    send_request(history, number, "normal")
    monitor = toy.open_toy(inbox, history)
    with contextlib.closing(monitor.history):
        events = []
        service.run(monitor, events.append, once=True)
        assert [(e["event"], e["kind"]) for e in events] == [("acknowledged", "normal")]
        assert monitor.history.smoothed("fan", 0).evidence[-2:].all()
        assert len(monitor.sections["fan", 0].known.scores) == 41
        assert len(known_normals(toy.scorer().segments, 0, "mean").scores) == 40
    put(inbox, 8, level=30)  # no alarm: the level started anew, and one such clip is normal now
    (event,) = of_kind(work(inbox, history), "clip")
    assert event["level"] == "normal" and event["p"] == pytest.approx(1.5 / 42, rel=0.4)
    send_request(history, number, "fault")
    send_request(history, number, "maintenance")
    events = work(inbox, history)
    assert [e["kind"] for e in events] == ["fault", "maintenance"]
    put(inbox, 10)
    (event,) = of_kind(work(inbox, history), "clip")
    assert event["smoothed"] == pytest.approx(event["score"], abs=0.05)  # its own two segments


@pytest.mark.parametrize(
    "clip, kind, message", [(1, "well", "'well': expected"), (7, "normal", "has no clip 7")]
)
def test_requests_without_sense_are_refused(inbox, tmp_path, clip, kind, message):
    put(inbox, 0)
    work(inbox, tmp_path / "history")
    with pytest.raises(InputError, match=message):
        send_request(tmp_path / "history", clip, kind)
    with pytest.raises(InputError, match="no such file"):
        send_request(tmp_path / "nowhere", 1, "normal")


def spoil(path, kind):
    """Turns a good recording into a bad file; returns a part of the reason."""
    if kind == "empty":
        path.write_bytes(b"")
        return "not a readable wav"
    if kind == "half-written":
        path.write_bytes(path.read_bytes()[:-100])
        return "cut short"
    if kind == "rate":
        soundfile.write(path, toy.noise(0), 44_100)
        return "sampled at 44100 Hz, expected 8000 Hz"
    if kind == "nan":
        soundfile.write(path, np.full(1000, np.nan), toy.RATE, subtype="FLOAT")
        return "sample 0 is nan"
    if kind == "folder":
        path.unlink()
        path.mkdir()
        return "a folder, expected a wav"
    if kind == "short":
        soundfile.write(path, toy.noise(0)[:100], toy.RATE)
        return "too short"
    if kind == "section":
        path.rename(path.with_name("section_07_source_test_0001.wav"))
        return "section 07, expected section_NN"
    path.rename(path.with_name(os.fsdecode(b"section_00_\xff.wav")))
    return r"section_00_\xff.wav: not a name in UTF-8"


@pytest.mark.parametrize(
    "kind", ["empty", "half-written", "rate", "nan", "folder", "short", "section", "name"]
)
def test_unusable_files_go_to_the_quarantine(inbox, tmp_path, kind):
    bad, good = put(inbox, 0), put(inbox, 1)
    reason = spoil(bad, kind)
    events = work(inbox, tmp_path / "history")
    (event,) = of_kind(events, "quarantined")
    assert reason in event["reason"] and len(of_kind(events, "clip")) == 1
    if kind != "folder":
        assert list(inbox.rglob("*.wav")) == [good]
        (note,) = (tmp_path / "history/quarantine").glob("*.txt")
        assert note.read_text() == event["reason"] + "\n"
    assert work(inbox, tmp_path / "history") == []


def test_a_file_that_grows_is_waited_for(inbox, tmp_path):
    path = put(inbox, 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    monitor = toy.open_toy(inbox, tmp_path / "history", files=toy.FILES._replace(patience=60.0))
    with contextlib.closing(monitor.history) as history:
        (arrival,) = arrivals(inbox)
        assert not service.process(monitor, arrival)
        path.write_bytes(whole)
        (arrival,) = arrivals(inbox)
        assert service.process(monitor, arrival)
        assert len(history.smoothed("fan", 0).score) == 2


def test_names_in_other_scripts_and_clocks(inbox, tmp_path):
    path = put(inbox, 0)
    path.rename(path.with_name("section_00_扇風機 <b>&.wav"))
    put(inbox, 1, when=1_600_000_000)
    put(inbox, 2, when=time.time() + 1e6)
    events = work(inbox, tmp_path / "history")
    assert of_kind(events, "clip")[1]["name"] == "section_00_扇風機 <b>&.wav"
    assert len(of_kind(events, "clock_back")) == 0 and len(of_kind(events, "clock_ahead")) == 1
    put(inbox, 3, when=1_500_000_000)
    events = work(inbox, tmp_path / "history")
    assert [e["event"] for e in events] == ["clip", "clock_back"]


def test_a_history_of_another_model_is_refused(inbox, tmp_path):
    put(inbox, 0)
    work(inbox, tmp_path / "history")
    with pytest.raises(InputError, match=r"has model \w+, expected \w+ \(choose"):
        work(inbox, tmp_path / "history", scorer=toy.scorer("other"))


def test_a_full_disk_is_one_error_and_loses_nothing(inbox, tmp_path, monkeypatch):
    for i in range(3):
        put(inbox, i)
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        work(inbox, tmp_path / "history")
    assert len(of_kind(work(inbox, tmp_path / "history"), "clip")) >= 2
    undisturbed = toy.open_toy(inbox, tmp_path / "other")
    service.run(undisturbed, lambda event: None, once=True)
    disturbed = toy.open_toy(inbox, tmp_path / "history")
    for ours, theirs in zip(
        disturbed.history.smoothed("fan", 0), undisturbed.history.smoothed("fan", 0)
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk is full")]
)
def test_the_service_waits_for_room(inbox, tmp_path, monkeypatch, error):
    put(inbox, 0)
    fsync, calls, events = os.fsync, [], []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) < 3:
            raise error
        fsync(descriptor)

    def log(event):
        events.append(event["event"])
        if event["event"] == "clip":
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(service, "RETRY", 0.01)
    monitor = toy.open_toy(inbox, tmp_path / "history")
    with contextlib.closing(monitor.history), pytest.raises(KeyboardInterrupt):
        service.run(monitor, log)
    assert events == ["disk_full", "disk_full", "clip"]


def test_drift_and_looking_back_are_reported(inbox, tmp_path):
    for i in range(50):
        put(inbox, i, level=1.0 if i < 15 else 4.0)
    history_settings = toy.HISTORY_SETTINGS._replace(hold_back=False, look_back_clips=25)
    events = work(inbox, tmp_path / "history", history_settings=history_settings)
    drift = of_kind(events, "drift")
    assert [e["warning"] for e in drift] == [False, True, True]
    assert len(of_kind(events, "look_back")) == 2


def test_sections_without_known_normals_are_not_monitored(inbox, tmp_path):
    one = toy.scorer()
    segments = one.segments
    split = np.where((segments.section == 1) & (segments.split == "valid"), "test", segments.split)
    one = one._replace(segments=segments._replace(split=split))
    put(inbox, 0, section=1)
    events = work(inbox, tmp_path / "history", scorer=one)
    assert [e["event"] for e in events] == ["not_monitored", "quarantined"]
    split = np.where(segments.split == "valid", "test", segments.split)
    with pytest.raises(InputError, match="no section with held-out normal clips"):
        work(
            inbox, tmp_path / "other", scorer=one._replace(segments=segments._replace(split=split))
        )


def test_too_few_normals_for_the_rate_are_reported(inbox, tmp_path):
    events = work(inbox, tmp_path / "history", settings=toy.SETTINGS._replace(alarm_days=700.0))
    assert [e["event"] for e in events] == ["no_alarms"] * 2
    assert "40 held-out normal clips, expected" in events[0]["reason"]
