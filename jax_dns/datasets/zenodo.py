"""Lists a Zenodo record and fetches its files, resuming what an earlier call left.

`GET {base}/api/records/<id>` lists `files[]` with `key`, `size`, `checksum` ("md5:<hex>") and
`links.self`. A file that is still arriving is `<name>.partial`, beside its final place, with its
ETag and checksum in `<name>.partial.json`; a later call requests the rest by Range.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import requests

from jax_dns.datasets.http import PATIENT, Client, RetryableError, chunks, request, retry
from jax_dns.errors import InputError
from jax_dns.files import write_json


class RemoteFile(NamedTuple):
    """A file of a record."""

    key: str  # its name
    url: str
    size: int | None  # bytes
    checksum: str | None  # "md5:<hex>"


def read_record(base_url: str, record: int, *, client: Client = PATIENT) -> list[RemoteFile]:
    """Lists a record's files.

    Raises:
      InputError: no answer, no such record, or an answer of another form.
    """
    url = f"{base_url.rstrip('/')}/api/records/{record}"

    def get_body() -> bytes:
        with request("GET", url, client, {"Accept": "application/json"}) as response:
            return response.content

    text = retry(get_body, url, client)
    try:
        files = json.loads(text)["files"]
        entries = files["entries"].values() if isinstance(files, dict) else files
        return [_remote_file(url, entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        expected = "JSON with files[] of key, size, checksum and links.self"
        raise InputError(f"{url}: not a Zenodo record (expected {expected})") from error


def _remote_file(url: str, entry: Mapping) -> RemoteFile:
    key, size, checksum = entry["key"], entry.get("size"), entry.get("checksum")
    if key in ("", ".", "..") or re.search(r"[/\\\0]", key):
        raise InputError(f"{url}: a file's key is {key!r} (expected a plain name)")
    if checksum is not None and not re.fullmatch(r"(md5|sha1|sha256|sha512):[0-9a-f]+", checksum):
        raise InputError(f"{url}: {key} has the checksum {checksum!r} (expected md5:<hex>)")
    # In InvenioRDM's own form `content` is the file, and `self` more JSON.
    link = urljoin(url, entry["links"].get("content") or entry["links"]["self"])
    if not link.startswith(("http://", "https://")):
        raise InputError(f"{url}: {key} is at {link!r} (expected http or https)")
    return RemoteFile(key, link, None if size is None else int(size), checksum)


def remote_size(file: RemoteFile, *, client: Client = PATIENT) -> int | None:
    """Requests a file's size by HEAD.

    Returns:
      Bytes; None where the server doesn't say.
    """

    def get_length() -> str | None:
        with request("HEAD", file.url, client) as response:
            return response.headers.get("Content-Length")

    try:
        length = retry(get_length, file.key, client)
    except InputError:
        return None
    return int(length) if length and length.isdigit() else None


def fetch(
    file: RemoteFile,
    path: Path,
    *,
    client: Client = PATIENT,
    advance: Callable[[int], object] = lambda n: None,
) -> None:
    """Fetches a file, continuing from what an earlier call left, and verifies its checksum.

    Args:
      file: the file to fetch.
      path: where to write it. A file there that has the right checksum is left alone.
      client: how to make requests.
      advance: called with each number of bytes gained, negative where a file starts anew.

    Raises:
      InputError: no answer, refused, or cut off too often (what has arrived is kept); or size or
        checksum differ from the record's (what has arrived is removed).
      OSError: the file can't be written; what has arrived is kept.
      Stopped: client.stop was set; what has arrived is kept.
    """
    if path.is_file() and (file.size, file.checksum) != (None, None):
        size = path.stat().st_size
        if file.size in (None, size) and file_checksum(path, file.checksum) == file.checksum:
            advance(size)
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)

    def fetch_rest() -> None:
        _fetch_rest(file, partial, client, advance)

    retry(fetch_rest, file.key, client, lambda: file_size(partial))
    size, checksum = file_size(partial), file_checksum(partial, file.checksum)
    if file.size not in (None, size) or checksum != file.checksum:
        _remove(partial)
        raise InputError(
            f"{file.key}: {size} bytes, {checksum} arrived from {file.url} (the record says "
            f"{file.size} bytes, {file.checksum}); removed, the same command fetches it again"
        )
    partial.replace(path)
    _remove(partial)


def partial_path(path: Path) -> Path:
    """Returns the path of a file's part that has arrived."""
    return path.with_name(f"{path.name}.partial")


def file_size(path: Path) -> int:
    """Returns a file's size, bytes; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def file_checksum(path: Path, like: str | None) -> str | None:
    """Computes a file's checksum by the algorithm of another one.

    Args:
      path: the file.
      like: a checksum of the form "md5:<hex>"; None for none.

    Returns:
      "md5:<hex>"; None if `like` is None.
    """
    if like is None:
        return None
    name = like.partition(":")[0]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False))
    return f"{name}:{digest.hexdigest()}"


def _remove(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _origin_path(partial).unlink(missing_ok=True)


def _origin_path(partial: Path) -> Path:
    """Returns the path of the note on the remote file that a part belongs to."""
    return partial.with_name(f"{partial.name}.json")


def _fetch_rest(
    file: RemoteFile, partial: Path, client: Client, advance: Callable[[int], object]
) -> None:
    """Makes one attempt to fetch what is missing of a file."""
    size, etag = file_size(partial), None
    if size:
        try:
            origin = json.loads(_origin_path(partial).read_text())
        except (OSError, ValueError):
            origin = {}
        etag = origin.get("etag")
        if origin.get("checksum", "") != file.checksum or size > (file.size or size):
            _remove(partial)
            advance(-size)
            size = 0
    if size and size == file.size:
        return
    headers = {"Range": f"bytes={size}-"} if size else {}
    if size and etag:
        headers["If-Range"] = etag
    with request("GET", file.url, client, headers) as response:
        if size and not _starts_at(response, size, file.size):
            client.log(f"{file.key}: the server sends no ranges, or another file; started anew")
            _remove(partial)
            advance(-size)
            size = 0
            if response.status_code != 200:
                raise RetryableError(f"{response.status_code} {response.reason} for a range")
        if not size:
            tag = response.headers.get("ETag", "")
            strong = tag if tag.startswith('"') else None  # weak tags don't identify the bytes
            write_json(_origin_path(partial), {"checksum": file.checksum, "etag": strong})
        with partial.open("ab" if size else "wb") as out:
            for piece in chunks(response, client):
                out.write(piece)
                size += len(piece)
                advance(len(piece))
                if size > (file.size or size):
                    break  # not the record's file; its end may be far away
    if size < (file.size or 0):
        raise RetryableError(f"connection cut after {size} of {file.size} bytes")


def _starts_at(response: requests.Response, start: int, size: int | None) -> bool:
    """Returns whether a response holds the file from byte `start` on."""
    match = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status_code != 206 or not match:
        return False
    return int(match[1]) == start and (size is None or match[2] in ("*", str(size)))
