"""A record's list and its files over real sockets."""

import hashlib
import json
import threading
import time
from email.utils import formatdate

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jax_dns.datasets import http
from jax_dns.datasets.zenodo import RemoteFile, fetch, read_record, remote_size
from jax_dns.errors import InputError

DEV, FAN = 4562016, "dev_data_fan.zip"


@pytest.fixture
def fan(zenodo) -> RemoteFile:
    """A file of the record, as listed."""
    return read_record(zenodo.url, DEV, client=zenodo.client)[0]


@pytest.fixture
def content(zenodo, zips, fan) -> bytes:
    """What it holds."""
    return (zips / FAN).read_bytes()


def get(zenodo, file, path, **options):
    zenodo.log.clear()
    fetch(file, path, client=zenodo.client._replace(**options))
    return path.read_bytes()


def test_a_record_is_listed(zenodo, fan, content):
    url = f"{zenodo.url}/api/records/{DEV}/files/{FAN}/content"
    assert fan == (FAN, url, len(content), f"md5:{hashlib.md5(content).hexdigest()}")
    assert remote_size(fan, client=zenodo.client) == len(content)


def test_other_forms_of_a_record(zenodo):
    entry = {"key": "a.zip", "links": {"self": "/meta", "content": "/api/a.zip"}}
    zenodo.faults.json = json.dumps({"files": {"entries": {"a.zip": entry}}}).encode()
    file = ("a.zip", f"{zenodo.url}/api/a.zip", None, None)
    assert read_record(zenodo.url, DEV, client=zenodo.client) == [file]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "../a.zip"}, "a file's key is '../a.zip' .expected a plain name"),
        ({"checksum": "md5=1"}, "a.zip has the checksum 'md5=1' .expected md5:<hex>"),
        ({"links": {"self": "file:///etc/passwd"}}, "expected http or https"),
        ({"links": {}}, "not a Zenodo record"),
        ({"size": "many"}, "not a Zenodo record"),
        ({"key": 5}, "not a Zenodo record"),
    ],
)
def test_a_record_that_cannot_be_used(zenodo, change, message):
    entry = {"key": "a.zip", "size": 1, "checksum": "md5:00", "links": {"self": "/a"}} | change
    zenodo.faults.json = json.dumps({"files": [entry]}).encode()
    with pytest.raises(InputError, match=message) as error:
        read_record(zenodo.url, DEV, client=zenodo.client)
    assert "\n" not in str(error.value) and str(DEV) in str(error.value)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(30_000, 400_000), know_size=st.booleans(), ranges=st.booleans())
def test_wherever_it_is_cut_the_file_arrives_whole(
    zenodo, fan, content, tmp_path, cut, know_size, ranges
):
    zenodo.faults.cut, zenodo.faults.cuts = {FAN: cut}, 20 if ranges else 2
    zenodo.faults.no_ranges = not ranges
    gained, path = [], tmp_path / f"{cut}_{know_size}_{ranges}"
    zenodo.log.clear()
    client = zenodo.client._replace(attempts=30, backoff=0.0)
    file = fan if know_size else fan._replace(size=None)
    fetch(file, path, client=client, advance=gained.append)
    assert path.read_bytes() == content and sum(gained) == len(content)
    starts = (
        range(0, len(content), cut) if ranges else [0, cut, cut][: 3 if cut < len(content) else 1]
    )
    assert zenodo.ranges(FAN) == [f"bytes={start}-" if start else None for start in starts]
    path.unlink()


def test_the_rest_is_not_taken_from_another_state_of_the_file(zenodo, fan, content, tmp_path):
    path, partial = tmp_path / FAN, tmp_path / f"{FAN}.partial"
    note = tmp_path / f"{FAN}.partial.json"
    partial.write_bytes(b"x" * 5000)
    note.write_text(json.dumps({"checksum": fan.checksum, "etag": '"another"'}))
    assert get(zenodo, fan, path) == content
    assert zenodo.ranges(FAN) == ["bytes=5000-"] and "started anew" in zenodo.messages[-1]
    path.unlink()
    partial.write_bytes(b"x" * 5000)
    note.write_text(json.dumps({"checksum": "md5:another", "etag": None}))
    assert get(zenodo, fan, path) == content
    assert zenodo.ranges(FAN) == [None] and sorted(p.name for p in tmp_path.iterdir()) == [FAN]


def test_more_than_the_file_is_started_anew(zenodo, fan, content, tmp_path):
    path, partial = tmp_path / FAN, tmp_path / f"{FAN}.partial"
    for size in (fan.size, None):
        partial.write_bytes(content + b"more")
        note = {"checksum": fan.checksum, "etag": None}
        (tmp_path / f"{FAN}.partial.json").write_text(json.dumps(note))
        assert get(zenodo, fan._replace(size=size), path) == content
        path.unlink()
    assert zenodo.ranges(FAN) == [f"bytes={len(content) + 4}-", None]


def test_damage_to_what_had_arrived_is_noticed(zenodo, fan, content, tmp_path):
    path, partial = tmp_path / FAN, tmp_path / f"{FAN}.partial"
    partial.write_bytes(b"x" + content[1:70_000])
    note = {"checksum": fan.checksum, "etag": None}
    (tmp_path / f"{FAN}.partial.json").write_text(json.dumps(note))
    with pytest.raises(InputError, match="removed, the same command fetches it again"):
        get(zenodo, fan, path)
    assert not list(tmp_path.iterdir())
    assert get(zenodo, fan, path) == content


def test_all_arrived_but_not_moved_yet_needs_no_request(zenodo, fan, content, tmp_path):
    (tmp_path / f"{FAN}.partial").write_bytes(content)
    (tmp_path / f"{FAN}.partial.json").write_text(json.dumps({"checksum": fan.checksum}))
    assert get(zenodo, fan, tmp_path / FAN) == content
    assert zenodo.log == []


def test_another_length_than_the_record_says(zenodo, fan, content, tmp_path):
    shorter, gained = fan._replace(size=1000, checksum=None), []
    with pytest.raises(InputError, match="the record says 1000 bytes"):
        fetch(shorter, tmp_path / FAN, client=zenodo.client, advance=gained.append)
    assert sum(gained) < len(content)  # and no endless answer is read to its end
    longer = fan._replace(size=fan.size + 1)
    with pytest.raises(InputError, match=f"connection cut after {fan.size} of {longer.size} bytes"):
        get(zenodo, longer, tmp_path / FAN)


def test_a_range_from_another_byte_is_not_used(zenodo, fan, content, tmp_path):
    (
        zenodo.faults.cut,
        zenodo.faults.cuts,
        zenodo.faults.wrong_ranges,
    ) = {FAN: 9999}, 1, True
    assert get(zenodo, fan, tmp_path / FAN) == content
    assert zenodo.ranges(FAN) == [None, "bytes=9999-", None]


def test_attempts_are_counted_anew_after_progress(zenodo, fan, content, tmp_path, monkeypatch):
    zenodo.faults.cut = {FAN: 100_000}
    monkeypatch.setattr(http, "STEP", 99_000)
    assert get(zenodo, fan, tmp_path / FAN, attempts=2) == content
    assert len(zenodo.ranges(FAN)) == 4


def test_a_stop_comes_before_any_request(zenodo, fan, tmp_path):
    zenodo.log.clear()
    stop = threading.Event()
    stop.set()
    with pytest.raises(http.Stopped):
        fetch(fan, tmp_path / FAN, client=zenodo.client._replace(stop=stop))
    assert zenodo.log == []


def test_silence_is_not_waited_for(zenodo, fan, content, tmp_path):
    zenodo.faults.silent = {FAN}
    with pytest.raises(InputError, match=f"{FAN}: .*timed out.*tried 2 times"):
        get(zenodo, fan, tmp_path / FAN, timeout=0.3, attempts=2)
    half = len(content) // 2
    assert (tmp_path / f"{FAN}.partial").stat().st_size == half
    assert zenodo.ranges(FAN) == [None, f"bytes={half}-"]


def test_redirects_are_followed_with_their_range(zenodo, fan, tmp_path):
    zenodo.faults.redirect, zenodo.faults.cut, zenodo.faults.cuts = (
        True,
        {FAN: 9999},
        1,
    )
    get(zenodo, fan, tmp_path / FAN)
    moved = [r.range for r in zenodo.log if r.path.startswith("/moved") and FAN in r.path]
    assert moved == [None, "bytes=9999-"]


def test_a_busy_server_is_waited_for_as_long_as_it_asks(zenodo, fan, tmp_path):
    zenodo.faults.busy, zenodo.faults.retry_after = 1, "1"
    start = time.monotonic()
    get(zenodo, fan, tmp_path / FAN)
    assert time.monotonic() - start >= 1
    assert any("429 Too Many Requests; attempt 2 of 3 in 1 s" in line for line in zenodo.messages)
    zenodo.faults.busy, zenodo.faults.retry_after = 1, "3600"
    with pytest.raises(InputError, match=r"429 .* asks to wait 3600 s"):
        get(zenodo, fan, tmp_path)


def test_how_long_a_server_asks_to_wait():
    def asked(text):
        response = requests.Response()
        response.headers["Retry-After"] = text
        return http._retry_after(response)

    assert asked("7") == 7 and asked("soon") == 0 and asked("") == 0
    assert 50 < asked(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert asked(formatdate(time.time() - 60, usegmt=True)) == 0


def test_no_server(zenodo):
    with pytest.raises(InputError, match=r"connection lost or refused \(Connection refused\)"):
        read_record("http://127.0.0.1:9", DEV, client=zenodo.client)
