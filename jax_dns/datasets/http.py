"""Requests that are tried again, politely, until they succeed or clearly won't."""

import contextlib
import email.utils
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

import requests
import urllib3
from tqdm import tqdm

from jax_dns import __version__
from jax_dns.errors import InputError

T = TypeVar("T")
CHUNK = 1 << 16  # bytes read at once, at most
STEP = 1 << 20  # bytes that count as progress: attempts are counted anew after them
KEPT = "what has arrived is kept, the same command goes on from there"


class Client(NamedTuple):
    """How requests are made, and how long they're tried."""

    attempts: int = 6  # in a row without STEP bytes of progress
    backoff: float = 1.0  # s before the second attempt, doubled for each further one
    longest_wait: float = 120.0  # s that a server may ask for; more is an error
    timeout: float = 30.0  # s of silence before an attempt has failed
    stop: threading.Event = threading.Event()  # set: whatever is under way raises Stopped
    say: Callable[[str], None] = tqdm.write


PATIENT = Client()


class Stopped(Exception):
    """Raised in a transfer whose client.stop has been set."""


class RetryableError(Exception):
    """An attempt failed; `wait` is what the server asked for, s."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


@contextlib.contextmanager
def request(
    method: str, url: str, client: Client, headers: Mapping[str, str] = {}
) -> Iterator[requests.Response]:
    """An answer that can be used, its body unread; redirects are followed."""
    headers = {
        "User-Agent": f"jax-dns/{__version__}",
        "Accept-Encoding": "identity",
        **headers,
    }
    with requests.request(
        method, url, headers=headers, stream=True, timeout=client.timeout
    ) as response:
        status = f"{response.status_code} {response.reason}"
        if response.status_code in (429, 503):
            wait = _retry_after(response)
            if wait > client.longest_wait:
                raise InputError(
                    f"{url}: {status}, the server asks to wait {wait:.0f} s (at most "
                    f"{client.longest_wait:.0f} s are waited); {KEPT} then"
                )
            raise RetryableError(status, wait)
        if response.status_code == 408 or response.status_code >= 500:
            raise RetryableError(status)
        if response.status_code >= 400 and not (response.status_code == 416 and "Range" in headers):
            raise InputError(f"{url}: {status} (expected a file or record of Zenodo)")
        yield response


def chunks(response: requests.Response, client: Client) -> Iterator[bytes]:
    """The body, each piece as it comes: requests' own iterator drops what it has of a piece of the
    asked-for length when the connection is cut.

    Raises:
      TryAgain: the connection was cut, or nothing came for client.timeout seconds.
      Stopped: client.stop was set.
    """
    try:
        while piece := response.raw.read1(CHUNK, decode_content=False):
            if client.stop.is_set():
                raise Stopped
            yield piece
    except urllib3.exceptions.HTTPError as error:
        raise RetryableError(_reason(error)) from error


def _retry_after(response: requests.Response) -> float:
    """Seconds that the server asks for, given as such or as a date; 0 for none."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def persist(
    action: Callable[[], T], what: str, client: Client, progress: Callable[[], int] = lambda: 0
) -> T:
    """Calls `action` until it succeeds, waiting longer each time, at most client.attempts times."""
    failures, furthest = 0, progress()
    while True:
        if client.stop.is_set():
            raise Stopped
        try:
            return action()
        except RetryableError as refusal:
            reason, wait = str(refusal), refusal.wait
        except requests.TooManyRedirects as error:
            raise InputError(f"{what}: {error}") from error
        except requests.RequestException as error:
            reason, wait = _reason(error), 0.0
        if progress() >= furthest + STEP:
            failures, furthest = 0, progress()
        failures += 1
        if failures >= client.attempts:
            raise InputError(f"{what}: {reason}; tried {failures} times; {KEPT}")
        wait = max(wait, client.backoff * 2 ** (failures - 1))
        client.say(f"{what}: {reason}; attempt {failures + 1} of {client.attempts} in {wait:.3g} s")
        client.stop.wait(wait)


def _reason(error: BaseException) -> str:
    """The innermost cause, which is what a person can act on."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"connection lost or refused ({getattr(error, 'strerror', None) or error})"
