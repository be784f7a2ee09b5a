"""What DCASE 2021 Task 2 consists of on Zenodo, and what of it is there already.

    {root}/{dev_data,eval_data}/<machine>/{train,source_test,target_test}/section_*.wav
    {root}/ground_truth/ground_truth_*.csv
    {root}/.download/   a record's list of files, and for each file what it was unpacked to

A file is done when its marker lists what it was unpacked to and all of that is there in size, so a
second call makes no request, and one after a loss fetches what is missing.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

from jax_dns.datasets.http import Client
from jax_dns.datasets.unzip import is_truth
from jax_dns.datasets.zenodo import RemoteFile, read_record
from jax_dns.errors import InputError, UsageError
from jax_dns.files import write_json


class Part(NamedTuple):
    """A record of the data set."""

    record: int
    zips: str  # the zips' names; empty: whatever holds ground-truth files
    folder: str  # under root

    def machine(self, key: str) -> str | None:
        """The machine type that a file is for; None for a file of another kind."""
        match = re.fullmatch(re.escape(self.zips).replace("<machine>", r"(\w+)"), key)
        return match[1] if self.zips and match else None


PARTS = {
    "dev": Part(4562016, "dev_data_<machine>.zip", "dev_data"),
    "eval_train": Part(4660992, "eval_data_<machine>_train.zip", "eval_data"),
    "eval_test": Part(4884786, "eval_data_<machine>_test.zip", "eval_data"),
    "ground_truth": Part(5257674, "", "ground_truth"),
}


class Item(NamedTuple):
    """A file of a record, and where it stands."""

    part: Part
    file: RemoteFile
    marker: Path
    unpacked: dict[str, int]  # bytes of each file it was unpacked to, by path under root
    done: bool


def find_items(
    root: Path, part: Part, *, machines: tuple[str, ...], base_url: str, client: Client
) -> list[Item]:
    """Lists a part's files; without a request where an earlier list says that all are done.

    Args:
      root: the data set's folder.
      part: one of PARTS.
      machines: machine types to have; none means all. Ground truth always comes whole.
      base_url: where Zenodo is; a list from elsewhere is not used.
      client: how requests are made.

    Raises:
      UsageError: the record has no such machine type.
      InputError: no such record, or it holds other things.
    """
    listed = root / ".download" / f"{part.record}.json"
    known = _read_json(listed)
    if known.get("base_url") == base_url:
        items = _items(root, part, [RemoteFile(*file) for file in known["files"]], machines)
        there = {part.machine(item.file.key) for item in items}
        if items and all(item.done for item in items) and (not part.zips or there >= set(machines)):
            return items
    files = read_record(base_url, part.record, client=client)
    keys = ", ".join(file.key for file in files) or "no files"
    names = sorted(filter(None, (part.machine(file.key) for file in files)))
    for machine in machines:
        if part.zips and machine not in names:
            raise UsageError(
                f"--machines: {machine!r} is not in record {part.record}, "
                f"which has {', '.join(names) or keys}"
            )
    items = _items(root, part, files, machines)
    if not items:
        expected = part.zips or "zips or ground_truth_*.csv"
        raise InputError(f"record {part.record} has {keys} (expected {expected})")
    write_json(listed, {"base_url": base_url, "files": files})
    for item in items:
        if item.unpacked and not item.done:
            client.say(f"{item.file.key}: unpacked files are missing or out of date")
    return items


def look_again(root: Path, items: list[Item]) -> list[Item]:
    """The same files as they stand now."""
    return [_item(root, item.part, item.file) for item in items]


def _items(
    root: Path, part: Part, files: list[RemoteFile], machines: tuple[str, ...]
) -> list[Item]:
    def wanted(key: str) -> bool:
        if not part.zips:
            return key.endswith(".zip") or is_truth(key)
        machine = part.machine(key)
        return machine is not None and (not machines or machine in machines)

    return [_item(root, part, file) for file in files if wanted(file.key)]


def _item(root: Path, part: Part, file: RemoteFile) -> Item:
    """Looks whether a file is done: unpacked from that very file, all there in size."""
    marker = root / ".download" / f"{part.record}_{file.key}.json"
    known = _read_json(marker)
    unpacked = known.get("unpacked", {})
    done = known.get("checksum", "") == file.checksum and all(
        (root / path).is_file() and (root / path).stat().st_size == size
        for path, size in unpacked.items()
    )
    return Item(part, file, marker, unpacked, done)


def _read_json(path: Path) -> dict:
    """A file of ours; {} where there's none that can be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
