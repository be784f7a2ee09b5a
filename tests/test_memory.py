"""Free memory, and the error before it runs out."""

import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from jax_dns import memory
from jax_dns.errors import InputError


def test_an_estimate_beyond_the_free_memory(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2 * 10**9)
    memory.check_room(2 * 10**9, "a.wav")
    with pytest.raises(InputError, match=r"^a.wav: needs 3.00 GB of memory, 2.00 GB are left$"):
        memory.check_room(3 * 10**9, "a.wav")


@pytest.fixture
def container(monkeypatch, tmp_path):
    """A system with 5,000 free bytes, and the control group's folder."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5_000))
    monkeypatch.setattr(memory, "_process_available", lambda: None)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def test_the_container_may_allow_less_than_the_system(container):
    assert memory.available() == 5_000
    (container / "memory.max").write_text("4000\n")
    (container / "memory.current").write_text("3000\n")
    (container / "memory.stat").write_text("anon 5\ninactive_file 200\n")
    assert memory.available() == 1_200
    (container / "memory.max").write_text("max\n")
    assert memory.available() == 5_000


def test_the_process_may_have_a_limit():
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9,) * 2);"
        "from jax_dns import memory; print(memory.available())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert 0 < int(done.stdout) < 3 * 10**9, done.stderr


def test_a_cpu_has_the_systems_memory_and_an_accelerator_its_own(container):
    def device(platform, **stats):
        return SimpleNamespace(platform=platform, memory_stats=lambda: stats)

    assert memory.available_on(device("cpu")) == 5_000
    assert memory.available_on(device("gpu", bytes_limit=100, bytes_in_use=30)) == 70
    assert memory.available_on(device("tpu")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_freed_memory_goes_back_to_the_system():
    """A hundred MB in small blocks, one of which stays at the top of the heap."""
    code = (
        "import os, psutil, numpy as np; from jax_dns.memory import release_freed\n"
        "blocks = [np.ones(8_000) for _ in range(1600)]; top = np.ones(8_000)\n"
        "rss = psutil.Process().memory_info; del blocks; before = rss().rss\n"
        "release_freed(); print(before - rss().rss)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert int(answer.stdout) > 50e6
