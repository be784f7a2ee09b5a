"""One undisturbed tiny run that the others are compared with; it has no network either."""

import os
from pathlib import Path

import pytest
from soak.runs import PROJECT, finish


@pytest.fixture(scope="session")
def offline(tmp_path_factory) -> dict[str, str]:
    """Environment in which sockets are refused, and each attempt is written to a file."""
    log = tmp_path_factory.mktemp("network") / "attempts.txt"
    guard = Path(__file__).with_name("no_network")
    return {
        "PYTHONPATH": os.pathsep.join([str(guard), str(PROJECT)]),
        "JAX_DNS_NETWORK_LOG": str(log),
    }


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, offline) -> Path:
    """A workdir in which the tiny run is finished; not to be changed."""
    workdir = tmp_path_factory.mktemp("undisturbed") / "w"
    code, text = finish(workdir, **offline)
    assert code == 0, text
    return workdir
