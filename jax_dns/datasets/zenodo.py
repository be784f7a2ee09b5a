"""Zenodo over HTTP: a record's files by name, and one file fetched so that nothing is lost.

`GET {base}/api/records/<id>` lists `files[]` with `key`, `size`, `checksum` ("md5:<hex>") and
`links.self`. What has arrived of a file lies beside its place as `<name>.partial`, with the ETag
and checksum it belongs to in `<name>.partial.json`; a later call asks for the rest by Range.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import requests

from jax_dns.datasets.http import PATIENT, Client, RetryableError, chunks, persist, request
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

    def body() -> bytes:
        with request("GET", url, client, {"Accept": "application/json"}) as response:
            return response.content

    text = persist(body, url, client)
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
    # InvenioRDM's own form has the file behind `content` and more JSON behind `self`.
    link = urljoin(url, entry["links"].get("content") or entry["links"]["self"])
    if not link.startswith(("http://", "https://")):
        raise InputError(f"{url}: {key} is at {link!r} (expected http or https)")
    return RemoteFile(key, link, None if size is None else int(size), checksum)


def remote_size(file: RemoteFile, *, client: Client = PATIENT) -> int | None:
    """Asks for a file's size in bytes by HEAD; None where the server doesn't say."""

    def header() -> str | None:
        with request("HEAD", file.url, client) as response:
            return response.headers.get("Content-Length")

    try:
        found = persist(header, file.key, client)
    except InputError:
        return None
    return int(found) if found and found.isdigit() else None


def fetch(
    file: RemoteFile,
    path: Path,
    *,
    client: Client = PATIENT,
    advance: Callable[[int], object] = lambda n: None,
) -> None:
    """Fetches a file to `path`, going on from what an earlier call left; verifies its checksum.

    Args:
      file: what to fetch.
      path: where it goes. A file there that is the right one is left alone.
      client: how.
      advance: called with every number of bytes gained, or lost where a file starts anew.

    Raises:
      InputError: no answer, refused, cut off too often (what has arrived is kept); or another size
        or checksum than the record says (what has arrived is removed).
      OSError: it can't be written; what has arrived is kept.
      Stopped: client.stop was set; what has arrived is kept.
    """
    if path.is_file() and (file.size, file.checksum) != (None, None):
        found = path.stat().st_size
        if file.size in (None, found) and digest(path, file.checksum) == file.checksum:
            return advance(found) and None
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)

    def attempt() -> None:
        _continue(file, partial, client, advance)

    persist(attempt, file.key, client, lambda: length(partial))
    size, found = length(partial), digest(partial, file.checksum)
    if file.size not in (None, size) or found != file.checksum:
        _forget(partial)
        raise InputError(
            f"{file.key}: {size} bytes, {found} arrived from {file.url} (the record says "
            f"{file.size} bytes, {file.checksum}); removed, the same command fetches it again"
        )
    partial.replace(path)
    _forget(partial)


def partial_path(path: Path) -> Path:
    """Where the part of a file that has arrived lies."""
    return path.with_name(f"{path.name}.partial")


def length(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def digest(path: Path, like: str | None) -> str | None:
    """A file's checksum by the algorithm of `like`, "md5:<hex>"; None for None."""
    if like is None:
        return None
    name = like.partition(":")[0]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False))
    return f"{name}:{found.hexdigest()}"


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _note(partial).unlink(missing_ok=True)


def _note(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _continue(
    file: RemoteFile, partial: Path, client: Client, advance: Callable[[int], object]
) -> None:
    """One attempt to get what is missing of a file."""
    have, etag = length(partial), None
    if have:
        try:
            note = json.loads(_note(partial).read_text())
        except (OSError, ValueError):
            note = {}
        etag = note.get("etag")
        if note.get("checksum", "") != file.checksum or have > (file.size or have):
            _forget(partial)
            advance(-have)
            have = 0
    if have and have == file.size:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and etag:
        headers["If-Range"] = etag
    with request("GET", file.url, client, headers) as got:
        if have and not _goes_on(got, have, file.size):
            client.say(f"{file.key}: the server sends no ranges, or another file; started anew")
            _forget(partial)
            advance(-have)
            have = 0
            if got.status_code != 200:
                raise RetryableError(f"{got.status_code} {got.reason} for a range")
        if not have:
            tag = got.headers.get("ETag", "")
            strong = tag if tag.startswith('"') else None  # a weak one can't vouch for bytes
            write_json(_note(partial), {"checksum": file.checksum, "etag": strong})
        with partial.open("ab" if have else "wb") as out:
            for piece in chunks(got, client):
                out.write(piece)
                have += len(piece)
                advance(len(piece))
                if have > (file.size or have):
                    break  # not the file that the record means, however long it is
    if have < (file.size or 0):
        raise RetryableError(f"connection cut after {have} of {file.size} bytes")


def _goes_on(response: requests.Response, have: int, size: int | None) -> bool:
    """Whether an answer is the file from byte `have` on."""
    found = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if response.status_code != 206 or not found:
        return False
    return int(found[1]) == have and (size is None or found[2] in ("*", str(size)))
