"""One run at a time in a workdir; owners that are gone are recognised."""

import json
import os
import platform
import signal
import subprocess
import sys

import pytest

from jax_dns.errors import InputError
from jax_dns.files import temporary_path
from jax_dns.pipeline.lock import workdir_lock

HOLDER = """
import sys, time
from pathlib import Path
from jax_dns.pipeline.lock import workdir_lock
with workdir_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_is_first(tmp_path):
    owner = rf"in use by process {os.getpid()} on {platform.node()} since 20\d\d-"
    with workdir_lock(tmp_path) as workdir:
        assert workdir == tmp_path
        with pytest.raises(InputError, match=owner), workdir_lock(tmp_path):
            pytest.fail("two at once")
        owner_written = json.loads((tmp_path / ".lock_owner.json").read_text())
        assert owner_written["process"] == os.getpid()
    assert not (tmp_path / ".lock_owner.json").exists()
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
    temporary_path(tmp_path / "deep/segments.npz").write_bytes(b"half")
    (tmp_path / "deep/archive.zip.partial").write_bytes(b"a download's, which goes on")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with workdir_lock(tmp_path):
        assert [path.name for path in (tmp_path / "deep").iterdir()] == ["archive.zip.partial"]


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / ".lock").symlink_to(tmp_path / "target")
    with pytest.raises(InputError, match=r"\.lock: can't be locked"), workdir_lock(tmp_path):
        pytest.fail("no lock")
    assert (tmp_path / "target").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"process": 0}'])
def test_an_unreadable_owner_is_another_run(tmp_path, text):
    with workdir_lock(tmp_path):
        (tmp_path / ".lock_owner.json").write_text(text)
        with pytest.raises(InputError, match="in use by another run"), workdir_lock(tmp_path):
            pytest.fail("two at once")


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match=r"\.lock: can't be locked"), workdir_lock(tmp_path):
        pytest.fail("no lock")
