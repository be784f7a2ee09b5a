"""One run at a time in a workdir; owners that are gone are recognised."""

import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time

import pytest

from jax_dns.errors import InputError
from jax_dns.pipeline import lock
from jax_dns.pipeline.lock import workdir_lock

HOLDER = """
import sys, time
from pathlib import Path
from jax_dns.pipeline.lock import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_is_first(tmp_path):
    owner = rf"in use by process {os.getpid()} on {platform.node()} since 20\d\d-"
    with workdir_lock(tmp_path) as workdir:
        assert workdir == tmp_path
        with pytest.raises(InputError, match=owner), workdir_lock(tmp_path):
            pytest.fail("two at once")
        owner_written = json.loads((tmp_path / ".lock").read_text())
        assert owner_written["process"] == os.getpid()
    assert (tmp_path / ".lock").read_text() == ""
    with workdir_lock(tmp_path):
        pass


def test_errors_inside_come_out_as_they_are_and_free_it(tmp_path):
    with pytest.raises(FileNotFoundError), workdir_lock(tmp_path):
        (tmp_path / "nothing").read_text()
    with workdir_lock(tmp_path):
        pass


def test_a_killed_owner_holds_nothing(tmp_path):
    """Nor do its half-written files stay."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    with (
        pytest.raises(InputError, match=f"in use by process {process.pid} "),
        workdir_lock(tmp_path),
    ):
        pytest.fail("two at once")
    (tmp_path / "deep").mkdir()
    (tmp_path / f"deep/.segments.npz-{process.pid}.partial").write_bytes(b"half")
    (tmp_path / "deep/archive.zip.partial").write_bytes(b"a download's, which goes on")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with workdir_lock(tmp_path):
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["archive.zip.partial"]


def elsewhere(tmp_path):
    owner = {"process": 7, "host": "elsewhere", "boot": "another", "since": "2020-01-01"}
    (tmp_path / ".lock").write_text(json.dumps(owner))


def test_an_owner_on_another_machine_is_gone_if_it_is_silent(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lock, "WATCH", 0.2)
    elsewhere(tmp_path)
    with workdir_lock(tmp_path):
        pass
    assert "left by process 7 on elsewhere since 2020-01-01; waiting" in capsys.readouterr().out


def test_an_owner_on_another_machine_that_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WATCH", 5.0)
    monkeypatch.setattr(lock, "BEAT", 0.1)
    elsewhere(tmp_path)
    over = threading.Event()
    beating = threading.Thread(target=lock._beat, args=(tmp_path / ".lock", over))
    beating.start()
    began = time.monotonic()
    with (
        pytest.raises(InputError, match="in use by process 7 on elsewhere"),
        workdir_lock(tmp_path),
    ):
        pytest.fail("two at once")
    over.set()
    beating.join()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"process": 0}'])
def test_an_unreadable_lock_is_nobodys(tmp_path, text):
    (tmp_path / ".lock").write_text(text)
    with workdir_lock(tmp_path):
        pass


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match=r"\.lock: can't be written"), workdir_lock(tmp_path):
        pytest.fail("no lock")
