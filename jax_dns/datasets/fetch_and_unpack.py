"""Fetches files of a record and unpacks them, several at once."""

import contextlib
import errno
import functools
import shutil
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from jax_dns.datasets.dcase_records import Item
from jax_dns.datasets.http import KEPT, Client
from jax_dns.datasets.threads import run_parallel
from jax_dns.datasets.unzip import clip_target, ground_truth_target, unpack
from jax_dns.datasets.zenodo import fetch, file_size, partial_path
from jax_dns.errors import InputError
from jax_dns.files import write_json
from jax_dns.wording import counted

# Unpacked size over the zip's, of DCASE 2021: fan's 4,209 development clips of 320,044 bytes come
# in 1.072 GB (1.26), its 3,009 evaluation training clips in 0.760 GB (1.27).
EXPANSION = 1.3


def check_room(root: Path, todo: list[Item], *, jobs: int, keep_zips: bool, client: Client) -> None:
    """Logs how much room is needed and free, before any file is fetched.

    Args:
      root: the data set's folder.
      todo: files to fetch.
      jobs: files fetched at once.
      keep_zips: whether zips stay after they are unpacked.
      client: where to log.

    Raises:
      InputError: there is not enough room.
    """
    sizes = [item.file.size or 0 for item in todo]
    missing = [max(0, size - _arrived(root, item)) for size, item in zip(sizes, todo)]
    # A zip is removed once it is unpacked, so no more than `jobs` of them are there at a time.
    zips = sum(sorted(missing, reverse=True)[: None if keep_zips else jobs])
    unpacked, free = EXPANSION * sum(sizes), shutil.disk_usage(root).free
    unknown = sum(item.file.size is None for item in todo)
    text = (
        f"{len(todo)} files to fetch, {_bytes(sum(missing))} of {_bytes(sum(sizes))} to go"
        + (f" ({unknown} of unknown size not counted)" if unknown else "")
        + f", about {_bytes(unpacked)} when unpacked; the disk needs room for "
        f"{_bytes(zips + unpacked)}, {_bytes(free)} are free at {root}"
    )
    if zips + unpacked > free:
        raise InputError(f"not enough room: {text} (fewer --machines or --parts, or another disk)")
    client.log(text)


def fetch_and_unpack(
    root: Path, todo: list[Item], *, jobs: int, keep_zips: bool, client: Client
) -> None:
    """Fetches, verifies and unpacks files.

    Args:
      root: the data set's folder.
      todo: files to fetch.
      jobs: files fetched at once.
      keep_zips: leave zips in {root}/zips.
      client: how to make requests and where to log.

    Raises:
      InputError: the first error, and the names of the other files that failed.
    """
    sizes = [item.file.size for item in todo]
    total = None if None in sizes else sum(sizes)
    arrived = sum(file_size(partial_path(_zip(root, item))) for item in todo)
    scale = {"unit": "B", "unit_scale": True, "disable": None, "leave": False}
    with tqdm(desc="all files", total=total, initial=arrived, **scale) as overall:

        def process(item: Item) -> None:
            initial = file_size(partial_path(_zip(root, item)))
            with tqdm(desc=item.file.key, total=item.file.size, initial=initial, **scale) as bar:
                _process(
                    root, item, keep_zips, client, lambda n: (bar.update(n), overall.update(n))
                )

        errors = run_parallel(process, todo, jobs=jobs, stop=client.stop, is_final=_is_full)
    with contextlib.suppress(OSError):
        (root / "zips").rmdir()  # fails unless it is empty
    failed = [(item.file.key, error) for item, error in zip(todo, errors) if error]
    if failed:
        others = ", ".join(key for key, _ in failed[1:])
        raise InputError(f"{failed[0][1]}" + (f" (also failed: {others})" if others else ""))


def _process(
    root: Path, item: Item, keep_zips: bool, client: Client, advance: Callable[[int], object]
) -> None:
    """Fetches and unpacks one file, and writes its marker."""
    path, part = _zip(root, item), item.part
    try:
        fetch(item.file, path, client=client, advance=advance)
        if path.suffix == ".zip":
            machine = part.machine(path.name)
            target = functools.partial(ground_truth_target, base=part.folder)
            if machine:
                target = functools.partial(clip_target, base=part.folder, machine=machine)
            temporary = root / ".download" / "unpacking" / path.name
            unpacked = unpack(path, root, target, temporary=temporary, stop=client.stop)
        else:
            unpacked = {f"{part.folder}/{path.name}": file_size(path)}
            (root / part.folder).mkdir(exist_ok=True)
            shutil.copyfile(path, root / part.folder / path.name)
        for stale in set(item.unpacked) - set(unpacked):
            (root / stale).unlink(missing_ok=True)
        write_json(item.marker, {"checksum": item.file.checksum, "unpacked": unpacked})
        if not keep_zips:
            path.unlink()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; {KEPT}") from error
    client.log(f"{path.name}: {counted(len(unpacked), 'file')} in {part.folder}/")


def _zip(root: Path, item: Item) -> Path:
    return root / "zips" / item.file.key


def _arrived(root: Path, item: Item) -> int:
    """Returns how much of a file is there, bytes."""
    return file_size(_zip(root, item)) or file_size(partial_path(_zip(root, item)))


def _bytes(size: float | int) -> str:
    return tqdm.format_sizeof(size, "B")


def _is_full(error: InputError) -> bool:
    """Returns whether the disk is full, so that no other file fits either."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in full
