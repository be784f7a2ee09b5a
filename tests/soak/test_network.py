"""`jax-dns run` reaches for no network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from soak.runs import PROJECT, assert_same, command


def test_the_guard_bites(offline):
    program = "import socket; socket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | offline, capture_output=True, text=True
    )
    assert "the network is out of bounds" in done.stderr
    program = "import urllib.request as u; u.urlopen('http://127.0.0.1:9')"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | offline, capture_output=True, text=True
    )
    assert "the network is out of bounds" in done.stderr
    Path(offline["JAX_DNS_NETWORK_LOG"]).unlink()


def test_a_run_from_recordings_to_results_asks_for_no_network(offline, undisturbed):
    assert (undisturbed / "results.json").is_file()
    log = Path(offline["JAX_DNS_NETWORK_LOG"])
    assert not log.exists(), log.read_text()


@pytest.mark.soak
def test_a_run_without_any_network_device(undisturbed, tmp_path):
    """In a network namespace of its own: C++ has nothing to reach either."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rn", "true"]).returncode:
        pytest.skip("no rights to make a network namespace")
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    arguments = ["unshare", "-rn", *command(tmp_path / "w")]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "w", undisturbed)
