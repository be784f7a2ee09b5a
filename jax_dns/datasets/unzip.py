"""Unpacks zip files as a whole or not at all, and never outside their folder."""

import os
import shutil
import stat
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from jax_dns.data.clips import SPLIT_FOLDERS
from jax_dns.datasets.http import Stopped
from jax_dns.errors import InputError

Parts = tuple[str, ...]  # of a path


def unpack(
    path: Path,
    root: Path,
    target: Callable[[Parts], Parts | None],
    *,
    temporary: Path,
    stop: threading.Event,
) -> dict[str, int]:
    """Unpacks a zip. All of it is read and its CRCs verified before the first file is in place.

    Args:
      path: the zip.
      root: folder below which everything is unpacked.
      target: maps a member's path to its path below `root`, or to None to leave it out.
      temporary: folder for unpacking, on the file system of `root`; removed at the end.
      stop: once set, raises Stopped.

    Returns:
      Size in bytes of each file, by its path below `root`.

    Raises:
      InputError: a member that would lie outside, a link, two members for one path, or not
        enough room (the zip is kept); a damaged zip (removed).
      OSError: a file can't be written.
    """
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive.infolist(), target)
            needed, free = sum(i.file_size for i in members.values()), shutil.disk_usage(root).free
            if needed > free:
                raise InputError(
                    f"{path}: {needed / 1e9:.2f} GB when unpacked, {free / 1e9:.2f} GB free at "
                    f"{root}; the zip is kept, the same command continues from there"
                )
            for name, member in members.items():
                if stop.is_set():
                    raise Stopped
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, (temporary / name).open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
        for folder in {(root / name).parent for name in members}:
            folder.mkdir(parents=True, exist_ok=True)
        for name in members:
            os.replace(temporary / name, root / name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        path.unlink()
        raise InputError(
            f"{path}: a damaged zip ({error}); removed, the same command fetches it again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {str(name): member.file_size for name, member in members.items()}


def _members(
    path: Path, infos: Iterable[zipfile.ZipInfo], target: Callable[[Parts], Parts | None]
) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Returns the members by their path below root; one bad member refuses the whole zip."""
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        kind = stat.S_IFMT(info.external_attr >> 16)
        if name.startswith("/") or ".." in parts or name[1:2] == ":":
            raise InputError(f"{path}: member {info.filename!r} lies outside (refused)")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"{path}: member {info.filename!r} is a link or a device (refused)")
        if info.flag_bits & 1:
            raise InputError(f"{path}: member {info.filename!r} is encrypted (refused)")
        if info.is_dir() or not parts or parts[0] == "__MACOSX" or parts[-1].startswith("."):
            continue
        below_root = target(parts)
        if below_root is None:
            continue
        if (key := PurePosixPath(*below_root)) in members:
            raise InputError(f"{path}: two members for {key} (refused)")
        members[key] = info
    return members


def clip_target(parts: Parts, *, base: str, machine: str) -> Parts:
    """Maps `[.../][<machine>/]train/x.wav` to `<base>/<machine>/train/x.wav`."""
    for start, part in enumerate(parts[:-1]):
        if part in SPLIT_FOLDERS:
            return (base, machine, *parts[start:])
    start = parts.index(machine) + 1 if machine in parts[:-1] else 0
    return (base, machine, *parts[start:])


def ground_truth_target(parts: Parts, *, base: str) -> Parts | None:
    """Maps `[.../]ground_truth_*.csv` to `<base>/ground_truth_*.csv`, other files to None."""
    return (base, parts[-1]) if is_ground_truth(parts[-1]) else None


def is_ground_truth(name: str) -> bool:
    """Returns whether a file's name is that of a ground-truth file."""
    return name.startswith(("ground_truth_", "eval_data_list")) and name.endswith(".csv")
