"""Makes the files of Zenodo's records of DCASE Task 2 from a folder in one year's layout."""

import functools
import json
import zipfile
from pathlib import Path

from jax_dns.datasets.dcase_records import DATASETS
from jax_dns.datasets.unzip import is_ground_truth
from jax_dns.datasets.zenodo import file_checksum

RECORDS = {part.record: (name, part) for parts in DATASETS.values() for name, part in parts.items()}
SPLITS = {"dev": ["*"], "eval_train": ["train", "supplemental"], "eval_test": ["*test"]}


def contents(
    folder: Path, record: int, *, top_folder: bool = True, loose_labels: bool = False
) -> dict[str, dict[str, Path]]:
    """Lists a record's files, and the path of each member that a file is made of.

    Args:
      folder: dev_data/, eval_data/ and files of ground truth anywhere below.
      record: number of a record of DATASETS.
      top_folder: zips hold <machine>/train/..., not train/...
      loose_labels: ground truth as CSV files, not as a zip; that of 2020 always is.
    """
    name, part = RECORDS[record]
    if name == "ground_truth":
        truth = sorted(path for path in folder.rglob("*.csv") if is_ground_truth(path.name))
        if loose_labels or part is DATASETS["dcase2020"]["ground_truth"]:
            return {path.name: {path.name: path} for path in truth}
        return {"ground_truth.zip": {f"ground_truth_data/{path.name}": path for path in truth}}
    files: dict[str, dict[str, Path]] = {}
    for machine in sorted(p for p in (folder / part.folder).glob("*") if p.is_dir()):
        top = machine.parent if top_folder else machine
        members = [] if name == "eval_test" else sorted(machine.glob("attributes_*.csv"))
        members += [p for split in SPLITS[name] for p in sorted(machine.glob(f"{split}/*.wav"))]
        files[part.zips.replace("<machine>", machine.name)] = {
            str(path.relative_to(top)): path for path in members
        }
    return files


def zip_once(path: Path, sources: dict[str, Path], extra: dict[str, bytes]) -> Path:
    """Makes a zip, unless the cache has one of the same files as they are now."""
    stamps = [[name, p.stat().st_mtime_ns, p.stat().st_size] for name, p in sources.items()]
    stamp = json.dumps([stamps, {name: data.hex() for name, data in extra.items()}])
    note = path.with_suffix(".made_of")
    if not (path.exists() and note.exists() and note.read_text() == stamp):
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name, source in sources.items():
                archive.write(source, name)
            for name, data in extra.items():
                archive.writestr(name, data)
        note.write_text(stamp)
    return path


@functools.cache
def md5(path: Path, modified_ns: int) -> str:
    """Returns a file's checksum, "md5:<hex>", computed once for each state of the file."""
    return file_checksum(path, "md5:")
