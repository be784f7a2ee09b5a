"""The page: machines at a glance, alarms with their sound, and buttons to acknowledge them.

It reads the history's database and leaves requests in it; the service alone changes anything else.
There is no way to upload a file, and names reach the page as JSON, which it shows as text.
"""

import asyncio
import contextlib
import hmac
import ipaddress
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from jaxtyping import UInt8
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Route

from jax_dns.data.decode import Format, decode
from jax_dns.errors import InputError
from jax_dns.monitor import page_data
from jax_dns.monitor.acknowledge import send_request
from jax_dns.report.encode_audio import encode

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
POLL = 0.5  # s between two looks for new events
MELS, FRAMES, RANGE = 64, 320, 60.0  # of a spectrogram: bands, columns at most, dB
LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")


@contextlib.contextmanager
def serve(app: Starlette, *, host: str, port: int, token: str) -> Iterator[str]:
    """Serves the page from a thread.

    Args:
      app: of `make_app`, with the same token.
      host: address to listen on.
      port: 0 chooses one.
      token: needed to see anything; "" for none, on this machine's own addresses only.

    Yields:
      The page's address.

    Raises:
      InputError: another address without a token, or one that can't be listened on.
    """
    if not token and not _is_loopback(host):
        raise InputError(f"--host: {host}, expected --token=SECRET with it, or 127.0.0.1")
    with listen(app, host, port) as address:
        yield f"{address}/?token={token}" if token else f"{address}/"


@contextlib.contextmanager
def listen(app: Starlette, host: str, port: int) -> Iterator[str]:
    """Serves an application from a thread; yields its address without a slash at the end.

    Raises:
      InputError: the address can't be listened on.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # connections wait from now on
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(f"--serve: {host}:{port} can't be listened on ({error})") from error
    config = uvicorn.Config(
        app,
        log_config=None,  # its own closes all handlers, and absl's would close stderr with it
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    # Not the main thread: signals stay the command's.
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()


def make_app(folder: Path, formats: dict[str, Format], *, token: str = "") -> Starlette:
    """Makes the application.

    Args:
      folder: of the history.
      formats: machine type -> format of its recordings.
      token: see `serve`.
    """

    def data(read: Any) -> Response:
        with page_data.reading(folder) as connection:
            content = read(connection)
        if content is None:
            return JSONResponse({"error": "not there"}, 404)
        return JSONResponse(content)

    def overview(request: Request) -> Response:
        return data(page_data.sections)

    def section(request: Request) -> Response:
        machine, number = request.query_params["machine"], int(request.query_params["section"])
        return data(lambda connection: page_data.clips(connection, machine, number))

    def clip(request: Request) -> Response:
        number = request.path_params["number"]
        return data(lambda connection: page_data.clip(connection, number))

    def recording(number: int) -> tuple[np.ndarray, Format]:
        with page_data.reading(folder) as connection:
            row = page_data.clip(connection, number)
        if row is None or row["machine"] not in formats:
            raise InputError("no such clip")
        return decode(Path(row["path"]), formats[row["machine"]]), formats[row["machine"]]

    def sound(request: Request) -> Response:
        try:
            samples, audio_format = recording(request.path_params["number"])
        except InputError:
            return PlainTextResponse("the recording is no longer there", 404)
        content, media_type = encode(samples, audio_format.sample_rate, lossless=True)
        return Response(content, media_type=media_type)

    def picture(request: Request) -> Response:
        try:
            samples, audio_format = recording(request.path_params["number"])
        except InputError:
            return PlainTextResponse("the recording is no longer there", 404)
        levels = mel_levels(samples, audio_format.sample_rate)
        return Response(levels.tobytes(), media_type="application/octet-stream")

    async def acknowledge(request: Request) -> Response:
        try:
            content = json.loads(await request.body())
            send_request(folder, int(content["clip"]), str(content["kind"]))
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"ok": True})

    async def events(request: Request) -> Response:
        return StreamingResponse(_news(folder, request), media_type="text/event-stream")

    def metrics(request: Request) -> Response:
        with page_data.reading(folder) as connection:
            return PlainTextResponse(page_data.prometheus(connection))

    routes = [
        *map(file_route, ("monitor.html", "monitor.css", "monitor.js")),
        Route("/api/sections", overview),
        Route("/api/section", section),
        Route("/api/clip/{number:int}", clip),
        Route("/api/clip/{number:int}/sound", sound),
        Route("/api/clip/{number:int}/mel", picture),
        Route("/api/acknowledge", acknowledge, methods=["POST"]),
        Route("/events", events),
        Route("/metrics", metrics),
    ]
    return guarded(routes, token)


def file_route(name: str) -> Route:
    """Returns the route of one of the page's own files."""
    path = "/" if name == "monitor.html" else f"/{name}"
    return Route(path, lambda request: FileResponse(HERE / name))


def guarded(routes: Sequence[BaseRoute], token: str) -> Starlette:
    """Makes an application that answers authorised requests only.

    Args:
      routes: of the application.
      token: see `serve`.
    """

    async def guard(request: Request, call_next: Any) -> Response:
        request_token = _given_token(request)
        if token and not hmac.compare_digest(request_token.encode(), token.encode()):
            return PlainTextResponse("expected ?token=... in the address", 403, HEADERS)
        if not token and request.url.hostname not in LOOPBACK:  # another site's name for this one
            return PlainTextResponse("expected localhost in the address", 403, HEADERS)
        if request.method == "POST" and not _is_same_site(request):
            return PlainTextResponse("expected a request of this page", 403, HEADERS)
        response = await call_next(request)
        response.headers.update(HEADERS)
        if token and "token" in request.query_params:
            response.set_cookie("token", token, httponly=True, samesite="strict")
        return response

    return Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)])


def mel_levels(samples: np.ndarray, sample_rate: int) -> UInt8[np.ndarray, "bands frames"]:
    """Returns a mel spectrogram as levels from 0 to 255, the lowest band first.

    255 is the loudest value, 0 is RANGE dB below it or less.
    """
    import librosa

    wide = samples.astype(np.float32)
    wide -= wide.mean()
    hop = max(256, -(-len(wide) // FRAMES))
    power = librosa.feature.melspectrogram(
        y=np.pad(wide, (0, max(0, 1024 - len(wide)))),
        sr=sample_rate,
        n_fft=1024,
        hop_length=hop,
        n_mels=MELS,
    )
    decibels = librosa.power_to_db(power, ref=np.max, top_db=RANGE)
    return np.clip((decibels / RANGE + 1) * 255, 0, 255).astype(np.uint8)


async def _news(folder: Path, request: Request) -> Any:
    """Yields a server-sent event whenever there are new events in the history."""
    last = None
    while not await request.is_disconnected():
        with page_data.reading(folder) as connection:
            number = page_data.last_event_number(connection)
        yield f"data: {number}\n\n" if number != last else ": still here\n\n"
        last = number
        await asyncio.sleep(POLL)


def _given_token(request: Request) -> str:
    header = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.query_params.get("token") or request.cookies.get("token") or header


def _is_same_site(request: Request) -> bool:
    """Returns whether a request comes from the page itself, or from no page at all."""
    origin = request.headers.get("origin")
    is_json = request.headers.get("content-type", "").startswith("application/json")
    return is_json and origin in (None, f"{request.url.scheme}://{request.url.netloc}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
