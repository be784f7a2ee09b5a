"""DCASE 2021 Task 2 from Zenodo into the layout that `data.clips` reads.

Zips come to {root}/zips, are verified there, unpacked and removed; a right one that lies there
already is used. `data.dcase2021` says what there is to fetch and what is done.
"""

import contextlib
import errno
import functools
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from jax_dns.datasets.dcase2021 import PARTS, Item, find_items, look_again
from jax_dns.datasets.http import KEPT, PATIENT, Client
from jax_dns.datasets.threads import each
from jax_dns.datasets.unzip import clip_place, truth_place, unpack
from jax_dns.datasets.zenodo import fetch, length, partial_path, remote_size
from jax_dns.errors import InputError, UsageError
from jax_dns.files import write_json

ZENODO = "https://zenodo.org"
# Unpacked size over the zip's: fan's 4,209 development clips of 320,044 bytes come in 1.072 GB
# (1.26), its 3,009 evaluation training clips in 0.760 GB (1.27).
EXPANSION = 1.3


class Counts(NamedTuple):
    """What a call did for a part, and what is there after it."""

    fetched: int  # files of the record that this call fetched and unpacked
    archives: int  # files of the record that are unpacked
    files: int  # what they were unpacked to
    size: int  # bytes of that


def download(
    root: str | Path,
    *,
    machines: Iterable[str] = (),
    parts: Iterable[str] = tuple(PARTS),
    base_url: str = ZENODO,
    jobs: int = 4,
    keep_zips: bool = False,
    client: Client = PATIENT,
) -> dict[str, Counts]:
    """Fetches, verifies and unpacks the data set; what is there already is left alone.

    Args:
      root: folder for it.
      machines: machine types to fetch; none means all. Ground truth always comes whole.
      parts: keys of PARTS.
      base_url: where Zenodo is.
      jobs: files fetched at once.
      keep_zips: leave the zips in {root}/zips.
      client: how requests are made and what is said meanwhile.

    Returns:
      Counts of each part.

    Raises:
      UsageError: no such part or machine type.
      InputError: something could not be fetched, verified, unpacked or written, or there's not
        enough room. Whatever else could be fetched has been; the next call goes on from there.
    """
    root, machines, parts = Path(root), tuple(machines), tuple(dict.fromkeys(parts))
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"--parts: {part!r}, expected some of {','.join(PARTS)}")
    client = client._replace(stop=threading.Event())
    with _alone(root):
        find = functools.partial(
            find_items, root, machines=machines, base_url=base_url, client=client
        )
        items = {part: find(PARTS[part]) for part in parts}
        todo = [_sized(item, client) for part in parts for item in items[part] if not item.done]
        if todo:
            _check_room(root, todo, jobs, keep_zips, client)
            _obtain_all(root, todo, jobs, keep_zips, client)
        return {part: _counts(root, part, items[part]) for part in parts}


def _sized(item: Item, client: Client) -> Item:
    """Asks for a size that the record doesn't tell."""
    if item.file.size is not None:
        return item
    return item._replace(file=item.file._replace(size=remote_size(item.file, client=client)))


def _zip(root: Path, item: Item) -> Path:
    return root / "zips" / item.file.key


def _arrived(root: Path, item: Item) -> int:
    """Bytes of a file that are there."""
    return length(_zip(root, item)) or length(partial_path(_zip(root, item)))


def _bytes(size: float | int) -> str:
    return tqdm.format_sizeof(size, "B")


def _check_room(root: Path, todo: list[Item], jobs: int, keep_zips: bool, client: Client) -> None:
    """Says what is needed and what is free, before any file is fetched.

    Raises:
      InputError: it can't fit.
    """
    sizes = [item.file.size or 0 for item in todo]
    rest = [max(0, size - _arrived(root, item)) for size, item in zip(sizes, todo)]
    # A zip goes when it's unpacked, so that no more than `jobs` of them lie there at a time.
    zips = sum(sorted(rest, reverse=True)[: None if keep_zips else jobs])
    unpacked, free = EXPANSION * sum(sizes), shutil.disk_usage(root).free
    unknown = sum(item.file.size is None for item in todo)
    text = (
        f"{len(todo)} files to fetch, {_bytes(sum(rest))} of {_bytes(sum(sizes))} to go"
        + (f" ({unknown} of unknown size not counted)" if unknown else "")
        + f", about {_bytes(unpacked)} when unpacked; the disk needs room for "
        f"{_bytes(zips + unpacked)}, {_bytes(free)} are free at {root}"
    )
    if zips + unpacked > free:
        raise InputError(f"not enough room: {text} (fewer --machines or --parts, or another disk)")
    client.say(text)


def _obtain_all(root: Path, todo: list[Item], jobs: int, keep_zips: bool, client: Client) -> None:
    """Fetches and unpacks files, `jobs` at once.

    Raises:
      InputError: the first error, and the names of the other files that failed.
    """
    sizes = [item.file.size for item in todo]
    total = None if None in sizes else sum(sizes)
    arrived = sum(length(partial_path(_zip(root, item))) for item in todo)
    scale = {"unit": "B", "unit_scale": True, "disable": None, "leave": False}
    with tqdm(desc="all files", total=total, initial=arrived, **scale) as overall:

        def obtain(item: Item) -> None:
            have = length(partial_path(_zip(root, item)))
            with tqdm(desc=item.file.key, total=item.file.size, initial=have, **scale) as bar:
                _obtain(root, item, keep_zips, client, lambda n: (bar.update(n), overall.update(n)))

        errors = each(obtain, todo, jobs=jobs, stop=client.stop, is_final=_is_full)
    with contextlib.suppress(OSError):
        (root / "zips").rmdir()  # only where nothing is left in it
    failed = [(item.file.key, error) for item, error in zip(todo, errors) if error]
    if failed:
        others = ", ".join(key for key, _ in failed[1:])
        raise InputError(f"{failed[0][1]}" + (f" (also failed: {others})" if others else ""))


def _obtain(
    root: Path, item: Item, keep_zips: bool, client: Client, advance: Callable[[int], object]
) -> None:
    """Fetches and unpacks one file, and marks it as done."""
    path, part = _zip(root, item), item.part
    try:
        fetch(item.file, path, client=client, advance=advance)
        if path.suffix == ".zip":
            machine = part.machine(path.name)
            place = functools.partial(truth_place, base=part.folder)
            if machine:
                place = functools.partial(clip_place, base=part.folder, machine=machine)
            temporary = root / ".download" / "unpacking" / path.name
            unpacked = unpack(path, root, place, temporary=temporary, stop=client.stop)
        else:
            unpacked = {f"{part.folder}/{path.name}": length(path)}
            (root / part.folder).mkdir(exist_ok=True)
            shutil.copyfile(path, root / part.folder / path.name)
        for stale in set(item.unpacked) - set(unpacked):
            (root / stale).unlink(missing_ok=True)
        write_json(item.marker, {"checksum": item.file.checksum, "unpacked": unpacked})
        if not keep_zips:
            path.unlink()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; {KEPT}") from error
    client.say(f"{path.name}: {len(unpacked)} files in {part.folder}/")


def _is_full(error: InputError) -> bool:
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in full


def _counts(root: Path, part: str, before: list[Item]) -> Counts:
    """What a part amounts to.

    Raises:
      InputError: it came to nothing.
    """
    items = look_again(root, before)
    unpacked = [size for item in items if item.done for size in item.unpacked.values()]
    if not unpacked:
        keys = ", ".join(item.file.key for item in items)
        expected = "ground_truth_*.csv" if part == "ground_truth" else "recordings"
        raise InputError(f"record {PARTS[part].record}: nothing in {keys} (expected {expected})")
    done = [item.done for item in items]
    fetched = sum(now and not item.done for now, item in zip(done, before))
    return Counts(fetched, sum(done), len(unpacked), sum(unpacked))


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Makes the folder and keeps a second call out of it, where the system has such locks.

    Raises:
      InputError: another call is at work there, or it can't be written.
    """
    state = root / ".download"
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = (state / "lock").open("w")
    except OSError as error:
        raise InputError(f"{root}: can't be written ({error.strerror})") from error
    with file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{root}: another download is at work there") from error
        except (ImportError, OSError):
            pass
        yield
