"""Lists the Zenodo records of each DCASE Task 2 data set, and which of their files are unpacked.

    {root}/{dev_data,eval_data}/<machine>/{train,test,source_test,target_test,supplemental}/*.wav
    {root}/ground_truth/*.csv
    {root}/.download/   each record's list of files, and for each file what it was unpacked to

A file is done when its marker lists what it was unpacked to and all of that is there in size. So a
second call makes no request, and a call after a loss fetches only what is missing.

The record numbers are those of the task's official baseline and evaluator repositories; no request
has confirmed them. The record of the 2021 ground truth, 5257674, was found in neither. The ground
truth of 2022 to 2025 is not on Zenodo but in the evaluators' repositories, `EVALUATORS`.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

from jax_dns.datasets.http import Client
from jax_dns.datasets.unzip import is_ground_truth
from jax_dns.datasets.zenodo import RemoteFile, read_record
from jax_dns.errors import InputError, UsageError
from jax_dns.files import write_json


class Part(NamedTuple):
    """One record of a data set."""

    record: int
    zips: str  # the zips' names; "" for a record of ground truth
    folder: str  # below root

    def machine(self, key: str) -> str | None:
        """Returns the machine type that a file is for; None for a file of another kind."""
        match = self._match(key)
        return match and match["machine"]

    def revision(self, key: str) -> int:
        """Returns the revision in a zip's name: 2 for `..._r2.zip`, 1 for none."""
        match = self._match(key)
        return int((match and match["revision"]) or 1)

    def _match(self, key: str) -> re.Match | None:
        pattern = re.escape(self.zips.removesuffix(".zip"))
        pattern = pattern.replace("<machine>", r"(?P<machine>\w+?)")
        return re.fullmatch(rf"{pattern}(?:_r(?P<revision>\d+))?\.zip", key) if self.zips else None


def _parts(
    dev: int, eval_train: int, eval_test: int, *, year: int, truth: int = 0
) -> dict[str, Part]:
    """Returns a data set's parts by name; the zips' names changed after 2020 and after 2021."""
    train, test = ("train_<machine>", "test_<machine>"), ("<machine>_train", "<machine>_test")
    names = train if year == 2020 else test
    parts = {
        "dev": Part(dev, f"dev_{'data_' if year < 2022 else ''}<machine>.zip", "dev_data"),
        "eval_train": Part(eval_train, f"eval_data_{names[0]}.zip", "eval_data"),
        "eval_test": Part(eval_test, f"eval_data_{names[1]}.zip", "eval_data"),
    }
    return parts | ({"ground_truth": Part(truth, "", "ground_truth")} if truth else {})


DATASETS: dict[str, dict[str, Part]] = {
    "dcase2020": _parts(3678171, 3727685, 3841772, year=2020, truth=3951620),
    "dcase2021": _parts(4562016, 4660992, 4884786, year=2021, truth=5257674),
    "dcase2022": _parts(6355122, 6462969, 6586456, year=2022),
    "dcase2023": _parts(7882613, 7830345, 7860847, year=2023),
    "dcase2024": _parts(10902294, 11259435, 11363076, year=2024),
    "dcase2025": _parts(15097779, 15392814, 15519362, year=2025),
}
EVALUATORS = {f"dcase{year}": f"dcase{year}_task2_evaluator" for year in range(2022, 2026)}


class Item(NamedTuple):
    """A file of a record, and whether it has been unpacked."""

    part: Part
    file: RemoteFile
    marker: Path
    unpacked: dict[str, int]  # bytes of each file it was unpacked to, by path below root
    done: bool


def find_items(
    root: Path, part: Part, *, machines: tuple[str, ...], base_url: str, client: Client
) -> list[Item]:
    """Lists a part's files; makes no request where an earlier list says that all are done.

    Args:
      root: the data set's folder.
      part: a part of the data set.
      machines: machine types to have; none means all. Ground truth always comes whole.
      base_url: Zenodo's address; a list from another address is not used.
      client: how to make requests.

    Raises:
      UsageError: the record has no such machine type.
      InputError: no such record, or its files have other names.
    """
    list_path = root / ".download" / f"{part.record}.json"
    earlier = _read_json(list_path)
    if earlier.get("base_url") == base_url:
        items = _select(root, part, [RemoteFile(*file) for file in earlier["files"]], machines)
        listed = {part.machine(item.file.key) for item in items}
        complete = not part.zips or listed >= set(machines)
        if items and complete and all(item.done for item in items):
            return items
    files = read_record(base_url, part.record, client=client)
    keys = ", ".join(file.key for file in files) or "no files"
    names = sorted({name for file in files if (name := part.machine(file.key))})
    for machine in machines:
        if part.zips and machine not in names:
            raise UsageError(
                f"--machines: {machine!r} is not in record {part.record}, "
                f"which has {', '.join(names) or keys}"
            )
    items = _select(root, part, files, machines)
    if not items:
        expected = part.zips or "zips or ground_truth_*.csv"
        raise InputError(f"record {part.record} has {keys} (expected {expected})")
    write_json(list_path, {"base_url": base_url, "files": files})
    for item in items:
        if item.unpacked and not item.done:
            client.log(f"{item.file.key}: unpacked files are missing or out of date")
    return items


def refresh(root: Path, items: list[Item]) -> list[Item]:
    """Looks again which files are unpacked."""
    return [_item(root, item.part, item.file) for item in items]


def _select(
    root: Path, part: Part, files: list[RemoteFile], machines: tuple[str, ...]
) -> list[Item]:
    """Returns the files to have: of each machine type's zips the latest revision."""
    if not part.zips:
        truth = [f for f in files if f.key.endswith(".zip") or is_ground_truth(f.key)]
        return [_item(root, part, file) for file in truth]
    latest: dict[str, RemoteFile] = {}
    for file in sorted(files, key=lambda file: part.revision(file.key)):
        if machine := part.machine(file.key):
            latest[machine] = file
    chosen = {m: file for m, file in latest.items() if not machines or m in machines}
    return [_item(root, part, chosen[m]) for m in sorted(chosen)]


def _item(root: Path, part: Part, file: RemoteFile) -> Item:
    """Looks whether a file is done: unpacked from that very file, all there in size."""
    marker = root / ".download" / f"{part.record}_{file.key}.json"
    written = _read_json(marker)
    unpacked = written.get("unpacked", {})
    done = written.get("checksum", "") == file.checksum and all(
        (root / path).is_file() and (root / path).stat().st_size == size
        for path, size in unpacked.items()
    )
    return Item(part, file, marker, unpacked, done)


def _read_json(path: Path) -> dict:
    """Reads a file of ours; {} where it is absent or damaged."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
