"""Attempts and pauses, without a network."""

import threading
from email.utils import formatdate

import pytest
import requests

from jax_dns.datasets import http
from jax_dns.datasets.http import Client, RetryableError, Stopped, retry
from jax_dns.errors import InputError


class Waits(threading.Event):
    """Notes pauses instead of making them."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def wait(self, timeout=None):
        self.seconds.append(timeout)
        return False


@pytest.fixture
def client():
    return Client(attempts=4, backoff=1.0, stop=Waits(), log=lambda text: None)


def failing(times, error):
    left = [error] * times

    def action():
        if left:
            raise left.pop()
        return "done"

    return action


def test_pauses_double(client):
    assert retry(failing(3, RetryableError("503")), "x", client) == "done"
    assert client.stop.seconds == [1.0, 2.0, 4.0]


def test_a_server_may_ask_for_longer_pauses(client):
    retry(failing(2, RetryableError("429", 7.0)), "x", client)
    assert client.stop.seconds == [7.0, 7.0]


def test_it_ends_after_so_many_attempts(client):
    with pytest.raises(InputError, match="x: 503; tried 4 times"):
        retry(failing(4, RetryableError("503")), "x", client)


def test_progress_counts_attempts_anew(client):
    progress = iter(range(0, 100 * http.STEP, http.STEP))
    action = failing(10, requests.ConnectionError())
    assert retry(action, "x", client, lambda: next(progress)) == "done"
    assert set(client.stop.seconds) == {1.0}


def test_too_little_progress_does_not(client):
    progress = iter(range(0, 100 * http.STEP, http.STEP // 8))
    with pytest.raises(InputError, match="tried 4 times"):
        retry(failing(10, RetryableError("cut")), "x", client, lambda: next(progress))


def test_an_interruption_ends_it(client):
    client.stop.set()
    with pytest.raises(Stopped):
        retry(failing(0, RetryableError("")), "x", client)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("12", 12, 12),
        ("", 0, 0),
        ("soon", 0, 0),
        (formatdate(0, usegmt=True), 0, 0),
        (formatdate(4e9, usegmt=True), 1e9, 4e9),
    ],
)
def test_what_a_server_asks_for(text, low, high):
    response = requests.Response()
    response.headers["Retry-After"] = text
    assert low <= http._retry_after(response) <= high
