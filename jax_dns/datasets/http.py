"""Makes HTTP requests and retries them, with growing pauses, until they succeed or can't."""

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
STEP = 1 << 20  # bytes of progress after which the attempts are counted from 0 again
KEPT = "what has arrived is kept, the same command continues from there"


class Client(NamedTuple):
    """How requests are made, and how long they are retried."""

    attempts: int = 6  # in a row without STEP bytes of progress
    backoff: float = 1.0  # s before the second attempt, doubled for each further one
    longest_wait: float = 120.0  # s that a server may ask for; more is an error
    timeout: float = 30.0  # s of silence after which an attempt has failed
    stop: threading.Event = threading.Event()  # once set, transfers raise Stopped
    log: Callable[[str], None] = tqdm.write


PATIENT = Client()


class Stopped(Exception):
    """Raised in a transfer whose client.stop has been set."""


class RetryableError(Exception):
    """A failed attempt; `wait` is the pause that the server asked for, s."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


@contextlib.contextmanager
def request(
    method: str, url: str, client: Client, headers: Mapping[str, str] = {}
) -> Iterator[requests.Response]:
    """Makes a request, following redirects, and yields a successful response, its body unread.

    Raises:
      RetryableError: the server is busy or has failed; it may succeed later.
      InputError: the server refuses, or asks to wait longer than client.longest_wait.
    """
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
    """Yields the body as it arrives, so that nothing of it is lost if the connection is cut.

    requests' own iterator waits for pieces of a fixed size and drops an unfinished one.

    Raises:
      RetryableError: the connection was cut, or nothing came for client.timeout seconds.
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
    """Returns the pause that the server asks for, s, given as a number or a date; 0 for none."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def retry(
    action: Callable[[], T], name: str, client: Client, progress: Callable[[], int] = lambda: 0
) -> T:
    """Calls `action` until it succeeds, with a longer pause each time.

    Args:
      action: makes a request.
      name: what is requested, for messages.
      client: number of attempts and length of pauses.
      progress: bytes that have arrived; after STEP more of them the attempts start again from 0.

    Returns:
      The action's result.

    Raises:
      InputError: it failed client.attempts times in a row, or for good.
      Stopped: client.stop was set.
    """
    failures, furthest = 0, progress()
    while True:
        if client.stop.is_set():
            raise Stopped
        try:
            return action()
        except RetryableError as refusal:
            reason, wait = str(refusal), refusal.wait
        except requests.TooManyRedirects as error:
            raise InputError(f"{name}: {error}") from error
        except requests.RequestException as error:
            reason, wait = _reason(error), 0.0
        if progress() >= furthest + STEP:
            failures, furthest = 0, progress()
        failures += 1
        if failures >= client.attempts:
            raise InputError(f"{name}: {reason}; tried {failures} times; {KEPT}")
        wait = max(wait, client.backoff * 2 ** (failures - 1))
        client.log(f"{name}: {reason}; attempt {failures + 1} of {client.attempts} in {wait:.3g} s")
        client.stop.wait(wait)


def _reason(error: BaseException) -> str:
    """Describes the innermost cause, the one that a person can act on."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"connection lost or refused ({getattr(error, 'strerror', None) or error})"
