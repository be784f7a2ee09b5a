"""A tiny factory and the server that plays Zenodo for it."""

import dataclasses
from pathlib import Path

import pytest
from zenodo_server.server import Faults, Request, serve

from jax_dns.datasets.http import Client


@dataclasses.dataclass
class Zenodo:
    """The server: what it serves, does wrong and was asked for; and a client in a hurry."""

    data: Path
    url: str
    faults: Faults
    log: list[Request]
    said: list[str]

    @property
    def client(self) -> Client:
        return Client(attempts=3, backoff=0.01, timeout=10.0, say=self.said.append)

    def asked(self) -> list[str]:
        """Files that were asked for since the last look, or records, sorted."""
        paths = [request.path.removesuffix("/content") for request in self.log]
        self.log.clear()
        return sorted(path.rpartition("/")[2] for path in paths)

    def ranges(self, key: str) -> list[str | None]:
        """The ranges that were asked for of a file."""
        return [request.range for request in self.log if f"/{key}/" in request.path]


@pytest.fixture(scope="session")
def zips(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("zips")


@pytest.fixture
def zenodo(download_factory, zips, monkeypatch):
    """The factory served on loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    faults, log = Faults(), []
    with serve(download_factory, cache=zips, faults=faults, log=log) as url:
        yield Zenodo(download_factory, url, faults, log, [])
