"""One undisturbed tiny run that the others are compared with; it has no network either."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from child_processes import environment
from soak import runs


@pytest.fixture(scope="session")
def offline(tmp_path_factory) -> dict[str, str]:
    """Environment in which sockets are refused, and each attempt is written to a file."""
    log = tmp_path_factory.mktemp("network") / "attempts.txt"
    guard = Path(__file__).with_name("no_network")
    return {
        "PYTHONPATH": os.pathsep.join([str(guard), environment()["PYTHONPATH"]]),
        "JAX_DNS_NETWORK_LOG": str(log),
    }


@pytest.fixture(scope="session")
def undisturbed(request, tmp_path_factory, offline) -> Iterator[Path]:
    """A workdir in which the tiny run is finished; not to be changed.

    `make soak` disturbs runs of the real networks, `make test` runs of toy ones.
    """
    workdir = tmp_path_factory.mktemp("undisturbed") / "w"
    with pytest.MonkeyPatch.context() as patch:
        if request.config.option.markexpr != "soak":
            patch.setattr(runs, "CONFIG", runs.TOY_CONFIG)
        code, text = runs.finish(workdir, **offline)
        assert code == 0, text
        yield workdir
