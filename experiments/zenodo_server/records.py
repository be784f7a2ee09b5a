"""What Zenodo's records of DCASE 2021 Task 2 hold, made from a folder in its layout."""

import functools
import hashlib
import json
import zipfile
from pathlib import Path

from jax_dns.datasets.dcase2021 import PARTS


def contents(
    folder: Path, record: int, *, top_folder: bool = True, loose_labels: bool = False
) -> dict[str, dict[str, Path]]:
    """A record's files, and each one's members with where they come from.

    Args:
      folder: dev_data/, eval_data/ and ground_truth_*.csv files anywhere below.
      record: a record of PARTS.
      top_folder: zips hold <machine>/train/..., not train/...
      loose_labels: ground truth as CSV files, not as a zip.
    """
    name, part = next((n, p) for n, p in PARTS.items() if p.record == record)
    if name == "ground_truth":
        found = sorted(folder.rglob("ground_truth_*.csv"))
        if loose_labels:
            return {path.name: {path.name: path} for path in found}
        return {"ground_truth.zip": {f"ground_truth_data/{path.name}": path for path in found}}
    files: dict[str, dict[str, Path]] = {}
    for machine in sorted(p for p in (folder / part.folder).glob("*") if p.is_dir()):
        splits = {"eval_train": ["train"], "eval_test": ["*_test"]}.get(name, ["*"])
        top = machine.parent if top_folder else machine
        files[part.zips.replace("<machine>", machine.name)] = {
            str(path.relative_to(top)): path
            for split in splits
            for path in sorted(machine.glob(f"{split}/*.wav"))
        }
    return files


def zip_once(path: Path, sources: dict[str, Path], extra: dict[str, bytes]) -> Path:
    """Makes a zip, unless the one in the cache is of the same files as they are now."""
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
    """A file's checksum, computed once for each state of it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
