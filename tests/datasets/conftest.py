"""A tiny factory, served on loopback as Zenodo would."""

import dataclasses
from pathlib import Path

import pytest
from zenodo_server.server import Faults, Request, serve

from jax_dns.datasets.http import Client


@dataclasses.dataclass
class Zenodo:
    """A server, its faults and its log, and a client with short pauses."""

    data: Path
    url: str
    faults: Faults
    log: list[Request]
    messages: list[str]

    @property
    def client(self) -> Client:
        return Client(attempts=3, backoff=0.01, timeout=10.0, log=self.messages.append)

    def requested(self) -> list[str]:
        """Returns the files and records requested since the last call, sorted."""
        paths = [request.path.removesuffix("/content") for request in self.log]
        self.log.clear()
        return sorted(path.rpartition("/")[2] for path in paths)

    def ranges(self, key: str) -> list[str | None]:
        """Returns the ranges that were requested of a file."""
        return [request.range for request in self.log if f"/{key}/" in request.path]


@pytest.fixture(scope="session")
def zips(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("zips")


@pytest.fixture
def zenodo(download_factory, zips, monkeypatch):
    """Serves the factory on loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    faults, log = Faults(), []
    with serve(download_factory, cache=zips, faults=faults, log=log) as url:
        yield Zenodo(download_factory, url, faults, log, [])
