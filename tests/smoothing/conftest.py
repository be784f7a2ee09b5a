"""Routes through Eq. 7, forced."""

import pytest

from jax_dns.smoothing import routes


def take(route, monkeypatch):
    on_host = route == "host"
    monkeypatch.setattr(routes, "is_for_host", lambda x: on_host and not x.is_traced())
    monkeypatch.setattr(routes, "MAX_SORTED", 2**30 if route == "readable" else 0)


@pytest.fixture(params=["host", "engine", "readable"])
def route(request, monkeypatch):
    """Each of one device's routes."""
    take(request.param, monkeypatch)
    return request.param


@pytest.fixture
def engine(monkeypatch):
    """The route without sorting, which a CPU takes under `jit` only."""
    take("engine", monkeypatch)
