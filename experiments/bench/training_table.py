"""The rows of the training benchmark: rates, ratios to PyTorch, shares, and hours of Table II."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inputs import N_FEATURE_CLIPS, N_MACHINES, SEVEN_AUTOENCODERS, Settings, Workload

from jax_dns.data.sampler import steps_per_epoch

COLUMNS = (
    "task",
    "engine",
    "dtype",
    "device",
    "rounds",
    "seconds",
    "best",
    "steps_per_s",
    "clips_per_s",
    "to_torch",
    "best_to_torch",
    "to_fastest_torch",
    "create_cold_s",
    "first_cold_s",
    "create_warm_s",
    "first_warm_s",
    "host_peak_mib",
    "device_peak_mib",
    "gflop_per_s",
    "share_of_matmul",
    "note",
)
TABLE2_TASKS = ("AE step", "extractor step from audio", "embedding")
# DCASE 2021: about 1,003 training clips a section, of which 85 % train, and 400 test clips.
TRAIN_CLIPS = 6 * round(0.85 * 1003)
ALL_SEGMENTS = 7 * 6 * (1003 + 400)


def clips_per_call(task: str, workload: Workload, settings: Settings) -> int:
    """Returns the clips, or segments of clips, that one call of a task works on."""
    if task.startswith("features"):
        return N_FEATURE_CLIPS
    sizes = {
        "embedding": settings.embedding_batch,
        SEVEN_AUTOENCODERS: N_MACHINES * settings.ae_batch,
        "AE epoch": workload.n_clips,
        "matmul": 0,
    }
    return sizes.get(task, settings.ae_batch if task.startswith("AE") else workload.batch)


def steps_per_call(task: str, workload: Workload, settings: Settings) -> int:
    """Returns the training steps, or batches, of one call of a task."""
    epoch = -(-workload.n_clips // settings.ae_batch)
    return {SEVEN_AUTOENCODERS: N_MACHINES, "AE epoch": epoch}.get(task, 1)


def complete(
    rows: Sequence[dict[str, Any]],
    workload: Workload,
    settings: Settings,
    flops: Mapping[str, float],
    matmul: Mapping[str, float],
) -> None:
    """Adds rates, ratios and shares to the rows of one task.

    Ratios are to PyTorch in the same number format: to its eager engine, and to its fastest.

    Args:
      rows: of the task's engines.
      workload: the work that was timed.
      settings: the sizes.
      flops: task -> FLOPs of a call.
      matmul: number format -> FLOP/s of the faster engine's matrix product.
    """
    for row in rows:
        task, seconds, dtype = row["task"], row.get("seconds"), row["dtype"]
        if seconds is None:
            continue
        row["steps_per_s"] = steps_per_call(task, workload, settings) / seconds
        row["clips_per_s"] = clips_per_call(task, workload, settings) / seconds
        torch = [
            other
            for other in rows
            if other["engine"].startswith("torch") and other["dtype"] == dtype
            if other.get("seconds") is not None
        ]
        for eager in (other for other in torch if other["engine"] == "torch"):
            row["to_torch"] = seconds / eager["seconds"]
            row["best_to_torch"] = row["best"] / eager["best"]
        if torch:
            row["to_fastest_torch"] = seconds / min(other["seconds"] for other in torch)
        if task in flops:
            row["gflop_per_s"] = flops[task] / seconds / 1e9
            if dtype in matmul:
                row["share_of_matmul"] = flops[task] / seconds / matmul[dtype]


def format_row(row: Mapping[str, Any]) -> str:
    """Returns a row as a line of text."""

    def number(name: str, form: str) -> str:
        value = row.get(name)
        return "-" if value is None else format(value, form)

    return (
        f"{row['task']:25s} {row['engine']:18s} {row['dtype']:8s} {number('seconds', '8.4f')} s "
        f"{number('to_torch', '5.2f')} x torch (best {number('best_to_torch', '.2f')}), "
        f"{number('to_fastest_torch', '5.2f')} x fastest torch "
        f"{number('clips_per_s', '8.1f')} clips/s  first cold {number('first_cold_s', '5.1f')} "
        f"warm {number('first_warm_s', '5.1f')} s {number('host_peak_mib', '6.0f')} MiB "
        f"{number('device_peak_mib', '6.0f')} MiB on device {number('gflop_per_s', '8.1f')} "
        f"GFLOP/s {number('share_of_matmul', '.2f')} of matmul  {row['note']}"
    ).rstrip()


def table2_hours(
    rows: Sequence[Mapping[str, Any]], workload: Workload, settings: Settings
) -> list[str]:
    """Projects the hours of Table II, for each engine that has run the tasks it consists of.

    Args:
      rows: of the tasks in TABLE2_TASKS.
      workload: the work that was timed.
      settings: the sizes, numbers of epochs among them.

    Returns:
      A line for each engine and number format.
    """
    ae_steps = settings.ae_epochs * steps_per_epoch(TRAIN_CLIPS, batch_size=settings.ae_batch)
    batch = settings.extractor_batch
    extractor_steps = settings.extractor_epochs * steps_per_epoch(
        TRAIN_CLIPS, batch_size=batch, outliers=True
    )
    seconds = {
        (row["task"], row["engine"], row["dtype"]): row["seconds"]
        for row in rows
        if row.get("seconds") is not None
    }
    lines = []
    for engine, dtype in dict.fromkeys((row["engine"], row["dtype"]) for row in rows):
        # The autoencoder is float32 in every run.
        formats = ("float32", dtype, dtype)
        calls = [seconds.get((t, engine, f)) for t, f in zip(TABLE2_TASKS, formats, strict=True)]
        if None in calls:
            continue
        counts = (
            ae_steps,
            extractor_steps * batch / workload.batch,
            ALL_SEGMENTS / settings.embedding_batch,
        )
        parts = [
            N_MACHINES * count * call / 3600 for count, call in zip(counts, calls, strict=True)
        ]
        text = ", ".join(
            f"{name} {h:.1f} h" for name, h in zip(("AE", "extractor", "embed"), parts)
        )
        lines.append(
            f"Table II, {N_MACHINES} machine types, one seed, {engine}, {dtype}: "
            f"{sum(parts):.1f} h ({text}; without validation and smoothing; steps timed at "
            f"batch {workload.batch})"
        )
    return lines


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes all rows, numbers to four digits."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
