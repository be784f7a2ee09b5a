"""Downloads a DCASE Task 2 data set from Zenodo into the folders that `data.layouts` reads.

Zips arrive in {root}/zips, are verified there, unpacked and removed; a zip that is there already
is used if its checksum is right. `dcase_records` lists what to fetch and what is done.
"""

import contextlib
import functools
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import filelock

from jax_dns.datasets.dcase_records import DATASETS, Item, Part, find_items, refresh
from jax_dns.datasets.fetch_and_unpack import check_room, fetch_and_unpack
from jax_dns.datasets.http import PATIENT, Client
from jax_dns.datasets.zenodo import remote_size
from jax_dns.errors import InputError, UsageError
from jax_dns.files import local_path

ZENODO = "https://zenodo.org"


class DownloadSummary(NamedTuple):
    """Files of one part: what a call fetched, and what is there after it."""

    fetched: int  # files of the record that this call fetched and unpacked
    archives: int  # files of the record that are unpacked
    files: int  # files that they were unpacked to
    size: int  # bytes of those


def download(
    root: str | Path,
    *,
    dataset: str = "dcase2021",
    machines: Iterable[str] = (),
    parts: Iterable[str] = (),
    base_url: str = ZENODO,
    jobs: int = 4,
    keep_zips: bool = False,
    client: Client = PATIENT,
) -> dict[str, DownloadSummary]:
    """Fetches, verifies and unpacks a data set; what is there already is left alone.

    Args:
      root: folder for the data set; each data set needs its own.
      dataset: a key of DATASETS, such as "dcase2021".
      machines: machine types to fetch; none means all. Ground truth always comes whole.
      parts: parts of the data set, such as "dev"; none means all.
      base_url: Zenodo's address.
      jobs: files fetched at once.
      keep_zips: leave the zips in {root}/zips.
      client: how to make requests and where to log.

    Returns:
      A summary of each part.

    Raises:
      UsageError: no such data set, part or machine type.
      InputError: something could not be fetched, verified, unpacked or written, there is not
        enough room, or `root` holds another data set. Whatever else could be fetched has been; the
        next call continues from there.
    """
    root, machines = local_path(root, "--root"), tuple(machines)
    client = client._replace(stop=threading.Event())
    if dataset not in DATASETS:
        raise UsageError(f"--dataset: {dataset!r}, expected one of {', '.join(DATASETS)}")
    records = DATASETS[dataset]
    parts = tuple(dict.fromkeys(parts or records))
    for part in parts:
        if part not in records:
            raise UsageError(f"--parts: {part!r}, expected some of {','.join(records)}")
    with _download_lock(root):
        _check_owner(root, dataset)
        find = functools.partial(
            find_items, root, machines=machines, base_url=base_url, client=client
        )
        items = {part: find(records[part]) for part in parts}
        todo = [_with_size(item, client) for part in parts for item in items[part] if not item.done]
        if todo:
            check_room(root, todo, jobs=jobs, keep_zips=keep_zips, client=client)
            fetch_and_unpack(root, todo, jobs=jobs, keep_zips=keep_zips, client=client)
        return {part: _summarise(root, records[part], items[part]) for part in parts}


def _with_size(item: Item, client: Client) -> Item:
    """Requests the size of a file where the record doesn't state it."""
    if item.file.size is not None:
        return item
    return item._replace(file=item.file._replace(size=remote_size(item.file, client=client)))


def _check_owner(root: Path, dataset: str) -> None:
    """Refuses a folder into which another data set was downloaded: names of machines coincide."""
    for other, records in DATASETS.items():
        for part in records.values():
            if other != dataset and (root / ".download" / f"{part.record}.json").exists():
                raise InputError(f"{root}: holds {other} (expected another folder for {dataset})")


def _summarise(root: Path, part: Part, before: list[Item]) -> DownloadSummary:
    """Compares a part's files with those before the download.

    Raises:
      InputError: the files were unpacked to nothing.
    """
    items = refresh(root, before)
    unpacked = [size for item in items if item.done for size in item.unpacked.values()]
    if not unpacked:
        keys = ", ".join(item.file.key for item in items)
        expected = "recordings" if part.zips else "ground_truth_*.csv"
        raise InputError(f"record {part.record}: nothing in {keys} (expected {expected})")
    done = [item.done for item in items]
    fetched = sum(now and not item.done for now, item in zip(done, before))
    return DownloadSummary(fetched, sum(done), len(unpacked), sum(unpacked))


@contextlib.contextmanager
def _download_lock(root: Path) -> Iterator[None]:
    """Makes the folder and keeps a second call out of it.

    Raises:
      InputError: another call is at work there, or the folder can't be written.
    """
    lock = filelock.FileLock(root / ".download" / "lock", timeout=0)
    try:
        (root / ".download").mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        raise InputError(f"{root}: another download is at work there") from error
    except OSError as error:
        raise InputError(f"{root}: can't be written ({error.strerror})") from error
    try:
        yield
    finally:
        lock.release()
