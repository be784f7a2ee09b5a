"""Puts ToyCar's recordings and outliers of other data sets into one folder of DCASE 2020's layout.

    python experiments/toycar_data.py --toycar=DIR --outliers=DIR --out=DATA

TOYCAR has ToyCar/{train,test}/, as DCASE 2020 publishes it. OUTLIERS has <machine>/train/ with
clips named after DCASE 2021 (section_SS_...): only those that train are taken. Files are linked.
"""

import argparse
import os
import re
from pathlib import Path

SECTION = re.compile(r"section_(\d+)_.*train_normal.*\.wav")


def link_data(toycar: Path, outliers: Path, out: Path) -> dict[str, int]:
    """Links the recordings into `out`.

    Returns:
      The number of recordings of each machine type.
    """
    counts = {}
    for path in sorted((toycar / "ToyCar").rglob("*.wav")):
        _link(path, out / "ToyCar" / path.parent.name / path.name)
        counts["ToyCar"] = counts.get("ToyCar", 0) + 1
    for path in sorted(outliers.glob("*/train/*.wav")):
        match = SECTION.fullmatch(path.name)
        if match is None:
            raise SystemExit(f"{path}: expected section_SS_..._train_normal_....wav")
        machine = path.parts[-3]
        number = counts[machine] = counts.get(machine, 0) + 1
        _link(path, out / machine / "train" / f"normal_id_{match[1]}_{number:08d}.wav")
    return counts


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    os.symlink(source.resolve(), target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--toycar", type=Path, required=True, help="folder with ToyCar/")
    parser.add_argument("--outliers", type=Path, required=True, help="folder of machine types")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    options = parser.parse_args()
    counts = link_data(options.toycar, options.outliers, options.out)
    print(", ".join(f"{machine}: {count} recordings" for machine, count in counts.items()))


if __name__ == "__main__":
    main()
