"""Rates, ratios, shares and hours: what `bench_training.py` makes of its times."""

import csv
from pathlib import Path

from ml_collections import ConfigDict
from sizes import FEATURE_CLIPS, MACHINES, SEVEN, Sizes

COLUMNS = (
    "task",
    "engine",
    "rounds",
    "seconds",
    "best",
    "steps_per_s",
    "clips_per_s",
    "to_torch",
    "best_to_torch",
    "create_cold_s",
    "first_cold_s",
    "create_warm_s",
    "first_warm_s",
    "peak_mib",
    "device_peak_mib",
    "gflop_per_s",
    "share_of_matmul",
    "note",
)


def clips(task: str, sizes: Sizes, config: ConfigDict) -> int:
    """Clips, or segments of them, in one call of a task."""
    if task.startswith("features"):
        return FEATURE_CLIPS
    if task == "embedding":
        return config.extractor.embed_batch_size
    whole = {SEVEN: MACHINES * config.ae.batch_size, "AE epoch": sizes.clips, "matmul": 0}
    return whole.get(task, config.ae.batch_size if task.startswith("AE") else sizes.batch)


def steps(task: str, sizes: Sizes, config: ConfigDict) -> int:
    """Steps of training, or batches, in one call."""
    each = {SEVEN: MACHINES, "AE epoch": -(-sizes.clips // config.ae.batch_size)}
    return each.get(task, 1)


def complete(
    rows: list[dict], sizes: Sizes, config: ConfigDict, counts: dict, product: float
) -> None:
    """Fills in rates, ratios and shares; `product` is in FLOP/s."""
    rival = next((row for row in rows if row["engine"] == "torch" and row.get("seconds")), None)
    for row in rows:
        task, seconds = row["task"], row.get("seconds")
        if seconds is None:
            continue
        row["steps_per_s"] = steps(task, sizes, config) / seconds
        row["clips_per_s"] = clips(task, sizes, config) / seconds
        if rival:
            row["to_torch"] = seconds / rival["seconds"]
            row["best_to_torch"] = row["best"] / rival["best"]
        if counts.get(task):
            row["gflop_per_s"] = counts[task] / seconds / 1e9
            row["share_of_matmul"] = product and counts[task] / seconds / product


def show(rows: list[dict]) -> None:
    """Prints the table's rows."""

    def number(row: dict, name: str, form: str) -> str:
        value = row.get(name)
        return format(value, form) if value is not None else "-"

    for row in rows:
        print(
            f"{row['task']:25s} {row['engine']:19s} {number(row, 'seconds', '8.4f')} s "
            f"{number(row, 'to_torch', '5.2f')} x torch "
            f"(best {number(row, 'best_to_torch', '.2f')}) "
            f"{number(row, 'steps_per_s', '7.2f')} steps/s "
            f"{number(row, 'clips_per_s', '7.1f')} clips/s  first cold "
            f"{number(row, 'first_cold_s', '5.1f')} warm {number(row, 'first_warm_s', '5.1f')} s "
            f"{number(row, 'peak_mib', '6.0f')} MiB {number(row, 'gflop_per_s', '8.1f')} GFLOP/s "
            f"{number(row, 'share_of_matmul', '.2f')} of matmul  {row['note']}",
            flush=True,
        )


def hours(rows: list[dict], sizes: Sizes, config: ConfigDict) -> None:
    """Prints hours of Table II for each engine that has run the tasks it is made of."""
    from jax_dns.data.sampler import steps_per_epoch

    train = 6 * round(0.85 * 1003)
    segments = 7 * 6 * (1003 + 400)  # of training and test clips
    ae_steps = config.ae.epochs * steps_per_epoch(train, batch_size=config.ae.batch_size)
    batch = config.extractor.batch_size
    steps = config.extractor.epochs * steps_per_epoch(train, batch_size=batch, outliers=True)
    seconds = {(row["task"], row["engine"]): row.get("seconds") for row in rows}
    for engine in ("jax_dns", "torch", "torch.compile"):
        of = {
            task: seconds.get((task, engine))
            for task in ("AE step", "extractor step from audio", "embedding")
        }
        if None in of.values():
            continue
        parts = {
            "AE": ae_steps * of["AE step"],
            "extractor": steps * of["extractor step from audio"] * batch / sizes.batch,
            "embedding": segments * of["embedding"] / config.extractor.embed_batch_size,
        }
        text = ", ".join(f"{name} {MACHINES * s / 3600:.1f} h" for name, s in parts.items())
        print(
            f"Table II, {MACHINES} machine types, one seed, {engine}: "
            f"{MACHINES * sum(parts.values()) / 3600:.1f} h ({text}; without validation and "
            f"smoothing; steps timed at batch {sizes.batch})"
        )


def write(rows: list[dict], path: Path) -> None:
    """All rows as CSV, numbers to four digits."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            values = row.items()
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in values})
