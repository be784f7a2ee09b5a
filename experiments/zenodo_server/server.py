"""Serves a folder in a DCASE layout on this machine as Zenodo would, for tests of downloads.

    python experiments/zenodo_server/server.py --data DIR [--port N] [--cache DIR]
    jax-dns download --root NEW --base-url http://127.0.0.1:N

or, in a script, `with serve(folder) as base_url: ...`. Zips are made when a record is first
requested, without compression, and kept in the cache folder. `Faults` makes the server misbehave as
real servers do.
"""

import argparse
import contextlib
import http.server
import json
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from zenodo_server.faults import Faults, Request
from zenodo_server.records import RECORDS, contents, md5, zip_once

CHUNK = 1 << 16


@contextlib.contextmanager
def serve(
    folder: str | Path,
    port: int = 0,
    *,
    cache: str | Path | None = None,
    faults: Faults | None = None,
    log: list[Request] | None = None,
) -> Iterator[str]:
    """Serves a folder as the records of DCASE Task 2, and yields the base URL.

    Args:
      folder: dev_data/, eval_data/ and files of ground truth anywhere below.
      port: 0 takes a free one.
      cache: folder for the zips; None takes a temporary one.
      faults: faults to make; may be changed while the server runs.
      log: every request is appended to it.
    """
    with contextlib.ExitStack() as stack:
        cache = Path(cache or stack.enter_context(tempfile.TemporaryDirectory()))
        server = Server(("127.0.0.1", port), Handler)
        server.folder, server.cache = Path(folder), cache
        server.faults, server.log = (
            faults or Faults(),
            log if log is not None else [],
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.ending.set()
            server.shutdown()
            server.server_close()


class Server(http.server.ThreadingHTTPServer):
    """The server's state, shared by the threads that answer."""

    daemon_threads = True
    folder: Path
    cache: Path
    faults: Faults
    log: list[Request]

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.building, self.ending = threading.Lock(), threading.Event()

    def handle_error(self, request, client_address) -> None:
        """Ignores clients that hang up."""

    def files(self, record: int) -> dict[str, dict[str, Path]]:
        """Lists a record's files, and the members of each."""
        faults = self.faults
        options = {
            "top_folder": faults.top_folder,
            "loose_labels": faults.loose_labels,
        }
        return contents(self.folder, record, **options)

    def file(self, record: int, key: str) -> Path:
        """Returns one file of a record; makes it first where needed."""
        with self.building:
            sources = self.files(record)[key]
            if not key.endswith(".zip"):
                return next(iter(sources.values()))
            return zip_once(self.cache / key, sources, self.faults.extra)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers with a record's JSON or with a file."""
        faults = self.server.faults
        if faults.busy > 0:
            faults.busy -= 1
            return self.answer(429, {"Retry-After": faults.retry_after})
        file = re.fullmatch(r"(/moved)?/api/records/(\d+)(?:/files/([^/]+)/content)?", self.path)
        if not file or int(file[2]) not in RECORDS or {file[2], file[3]} & faults.missing:
            return self.answer(404, body=b"no such thing")
        record, key = int(file[2]), file[3]
        if key is None:
            return self.send_record(record)
        if faults.redirect and not file[1]:
            return self.answer(302, {"Location": f"/moved{self.path}"})
        if key not in self.server.files(record):
            return self.answer(404, body=b"no such file")
        self.send_file(self.server.file(record, key), key)

    do_HEAD = do_GET

    def send_record(self, record: int) -> None:
        """Sends the list of a record's files in Zenodo's form."""
        faults, files = self.server.faults, []
        for key in self.server.files(record):
            path = self.server.file(record, key)
            checksum = md5(path, path.stat().st_mtime_ns)
            url = f"http://{self.headers['Host']}/api/records/{record}/files/{key}/content"
            entry = {"key": key, "size": path.stat().st_size, "links": {"self": url}}
            entry["checksum"] = f"md5:{'0' * 32}" if key in faults.wrong_md5 else checksum
            if faults.no_sizes:
                del entry["size"]
            files.append(entry)
        body = json.dumps({"id": record, "files": files}).encode()
        kind = {"Content-Type": "application/json"}
        self.answer(200, kind, body if faults.json is None else faults.json)

    def send_file(self, path: Path, key: str) -> None:
        """Sends a file, or the rest of it from the requested byte on."""
        size, start = path.stat().st_size, 0
        tag = f'"{md5(path, path.stat().st_mtime_ns)}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        headers = {"ETag": tag, "Content-Type": "application/octet-stream"}
        status = 200
        if wanted and not self.server.faults.no_ranges:
            if self.headers.get("If-Range", tag) == tag:
                start, status = int(wanted[1]) + self.server.faults.wrong_ranges, 206
                headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
            if start >= size:
                return self.answer(416, {"Content-Range": f"bytes */{size}"})
        self.answer(status, headers | {"Content-Length": str(size - start)}, None)
        if self.command == "GET":
            self.send_bytes(path, key, start, size)

    def send_bytes(self, path: Path, key: str, start: int, size: int) -> None:
        """Sends the body, with the faults that are set."""
        faults, end = self.server.faults, size
        if key in faults.cut and faults.cuts > 0:
            faults.cuts -= 1
            end = min(size, start + faults.cut[key])
        if key in faults.silent:
            end = size // 2
        with path.open("rb") as file:
            file.seek(start)
            while start < end and not self.server.ending.is_set():
                self.wfile.write(chunk := file.read(min(CHUNK, end - start)))
                start += len(chunk)
                time.sleep(faults.seconds_per_chunk)
        if key in faults.silent:
            self.server.ending.wait(60)
        self.close_connection = end < size

    def answer(self, status: int, headers: dict | None = None, body: bytes | None = b"") -> None:
        """Sends the head of an answer, and its body unless that is None."""
        self.server.log.append(Request(self.command, self.path, self.headers.get("Range"), status))
        self.send_response(status)
        headers = dict(headers or {})
        if body is not None:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments) -> None:
        """Prints nothing; `log` has every request."""


def main() -> None:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data", required=True, help="folder in a DCASE layout")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--cache", help="folder for the zips (default: a temporary one)")
    parser.add_argument("--no-ranges", action="store_true")
    parser.add_argument("--no-sizes", action="store_true", help="none in the JSON")
    parser.add_argument("--redirect", action="store_true")
    parser.add_argument("--flat", action="store_true", help="zips without a <machine>/ folder")
    parser.add_argument("--loose-labels", action="store_true", help="ground truth as CSV files")
    parser.add_argument("--busy", type=int, default=0, help="requests to answer by 429 first")
    parser.add_argument("--wrong-md5", action="append", default=[], metavar="FILE")
    parser.add_argument("--cut", action="append", default=[], metavar="FILE=BYTES")
    parser.add_argument("--silent", action="append", default=[], metavar="FILE")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds for 64 KiB")
    options = parser.parse_args()
    faults = Faults(
        cut={name: int(size) for name, _, size in (text.partition("=") for text in options.cut)},
        wrong_md5=set(options.wrong_md5),
        no_ranges=options.no_ranges,
        no_sizes=options.no_sizes,
        redirect=options.redirect,
        busy=options.busy,
        silent=set(options.silent),
        seconds_per_chunk=options.slow,
        top_folder=not options.flat,
        loose_labels=options.loose_labels,
    )
    with serve(options.data, options.port, cache=options.cache, faults=faults) as url:
        print(f"{options.data} at {url}; Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
