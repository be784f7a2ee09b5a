"""Compares the extractor's loss curve in bfloat16 with that in float32.

    python experiments/bench/number_formats.py --workdir=formats --config=configs/demo.py \
        --machine=fan

Trains the extractor of one machine type from the same seed on the same batches, once in each
`discriminative.dtype`, in <workdir>/<format>. Prints both curves and writes
<workdir>/number_formats.csv. With `--stages=all` the whole method runs, and each format's tables
are in its folder's results.txt. The UAVs' result stands in experiments/bench/README.md.
"""

import argparse
import csv
import json
from pathlib import Path

from inputs import load_config

from jax_dns.pipeline.run import STAGES, run

FORMATS = ("float32", "bfloat16")
COLUMNS = tuple(f"{kind}_{name}" for kind in ("loss", "valid_loss") for name in FORMATS)
TRAINING = ("index", "train_discriminative")


def read_curves(folders: dict[str, Path]) -> list[dict]:
    """Reads the logs of trainings.

    Args:
      folders: number format -> the training's folder.

    Returns:
      A row for each epoch, with a loss and a validation loss of each format.
    """
    rows: dict[int, dict] = {}
    for name, folder in folders.items():
        for line in (folder / "metrics.jsonl").read_text().splitlines():
            record = json.loads(line)
            row = rows.setdefault(record["epoch"], {"epoch": record["epoch"]})
            row |= {f"{k}_{name}": record[k] for k in ("loss", "valid_loss") if k in record}
    return list(rows.values())


def main() -> None:
    """Trains in both formats, prints and writes the curves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/demo.py")
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--machine", default="fan", help="machine type (default: fan)")
    parser.add_argument("--root", default="", help="recordings (default: the config's)")
    parser.add_argument("--stages", default="training", choices=["training", "all"])
    options = parser.parse_args()
    folders = {}
    for name in FORMATS:
        config = load_config(options.config, name)
        config.data.root = options.root or config.data.root
        config.data.machines = options.machine
        config.seeds = config.seeds[:1]
        config.discriminative.validate_every = 1
        run(config, options.workdir / name, STAGES if options.stages == "all" else TRAINING)
        folders[name] = options.workdir / name / options.machine / "discriminative"
    rows = read_curves(folders)
    print(*(f"{name:>20s}" for name in ("epoch", *COLUMNS)))
    for row in rows:
        print(f"{row['epoch']:20d}", *(f"{row.get(name, float('nan')):20.4f}" for name in COLUMNS))
    with (options.workdir / "number_formats.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ("epoch", *COLUMNS))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
