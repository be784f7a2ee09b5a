"""What is known of the memory left, and the error before it is gone."""

import subprocess
import sys

import pytest

from jax_dns import memory
from jax_dns.errors import InputError


def test_an_estimate_beyond_what_is_left(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2 * 10**9)
    memory.check_room(2 * 10**9, "a.wav")
    with pytest.raises(InputError, match=r"^a.wav: needs 3.00 GB of memory, 2.00 GB are left$"):
        memory.check_room(3 * 10**9, "a.wav")


def test_the_smallest_of_what_is_known_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_of_limit", lambda: None)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(memory, "_of_system", lambda: 5_000)
    assert memory.available() == 5_000
    (tmp_path / "memory.max").write_text("4000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 200\n")
    assert memory.available() == 1_200
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() == 5_000
    monkeypatch.setattr(memory, "_of_system", lambda: None)
    assert memory.available() is None
    memory.check_room(10**18, "where nothing is known")


def test_a_processs_own_limit():
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9,) * 2);"
        "from jax_dns import memory; print(memory.available())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 0 < int(done.stdout) < 3 * 10**9, done.stderr
