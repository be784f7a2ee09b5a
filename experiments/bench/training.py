"""Times training, features and embedding beside PyTorch, in interleaved rounds.

    python experiments/bench/training.py --out bench_training
    python experiments/bench/training.py --batch 128 --out bench_training    # on a GPU
    python experiments/bench/training.py --project    # hours of Table II, at the config's batch

Needs the extra `bench`. Makes the training table of experiments/bench/README.md: prints a row for
each task and engine and writes <out>.csv. The sizes are those of the config, the paper's by
default. Engines are this project, PyTorch (eager, channels last), torch.compile, and librosa for
features. On a GPU float32 means TF32, JAX's default there, and the extractor is also timed in
bfloat16 (autocast in PyTorch), as it is on a CPU with --dtype. Features and autoencoder are float32
in every engine.

Every engine of a task is a process, and rounds alternate between them: seven by default, with an
untimed call before each, short calls repeated for half a second. Our processes start twice: with an
empty compilation cache, for the cold first step, and with the cache that this left, for the warm
first step and the rounds. Columns: medians of the rounds and their ratios to PyTorch's eager and
fastest engine in the same number format; the ratio of the best calls, which other work on the
machine disturbs least; first steps, compilation included; peak memory of the process and of the
GPU; FLOP/s by XLA's count of the plain program for all engines, and their share of the faster
engine's matrix product in the same run. All engines get glibc's huge pages, which `jax-dns` sets
for itself, unless --no-huge-pages is given.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from engine_process import (
    BFLOAT16_TASKS,
    COUNTED_TASKS,
    TASKS,
    Engine,
    EngineError,
    EngineProcess,
    ours,
)
from inputs import Workload, read_settings
from training_table import TABLE2_TASKS, complete, format_row, table2_hours, write_csv

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "dcase2021.py"
PAUSE = 0.2  # s between engines: threads that spin after their work must have gone to sleep
OUR_LIMIT = 1800.0  # s to wait for our own engines
FORMATS = ("float32", "bfloat16")


def start(
    engine: Engine, workload: Workload, environment: Mapping[str, str], limit: float, row: dict
) -> EngineProcess:
    """Starts an engine, ours cold and then warm, with the compiled programs that it kept.

    Args:
      engine: to start.
      workload: its work.
      environment: of the process.
      limit: seconds for the first step of an engine that is not ours.
      row: receives the times of the first steps and the device.

    Returns:
      The process, ready for rounds.

    Raises:
      EngineError: it failed or took too long.
    """
    cache = tempfile.mkdtemp(dir=workload.folder)
    variables = {"JAX_COMPILATION_CACHE_DIR": cache, "TORCHINDUCTOR_CACHE_DIR": cache}
    for kind in ("cold", "warm") if engine.is_ours else ("cold",):
        process = EngineProcess(engine, workload, {**environment, **variables})
        try:
            answer = process.ask("first", OUR_LIMIT if engine.is_ours else limit)
        except EngineError:
            process.close()
            raise
        row |= {f"create_{kind}_s": answer["create"], f"first_{kind}_s": answer["first"]}
        row["device"] = answer["device"]
        seconds = answer["create"] + answer["first"]
        name = f"{row['task']}, {engine.name}, {workload.dtype}"
        print(f"{name}: {kind} first step {seconds:.1f} s", file=sys.stderr, flush=True)
        if kind == "cold" and engine.is_ours:
            process.close()
    return process


def measure(
    task: str,
    workload: Workload,
    dtypes: list[str],
    environment: Mapping[str, str],
    *,
    rounds: int,
    limit: float,
) -> list[dict]:
    """Times every engine of a task in every number format that it has; returns their rows."""
    rows, processes = [], []
    if task not in BFLOAT16_TASKS:
        dtypes = ["float32"]
    with contextlib.ExitStack() as stack:
        for dtype in dtypes:
            for engine in TASKS[task]:
                row = {"task": task, "engine": engine.name, "dtype": dtype, "note": ""}
                rows.append(row)
                try:
                    process = start(engine, workload._replace(dtype=dtype), environment, limit, row)
                except EngineError as error:
                    row["note"] = str(error)
                    continue
                processes.append((row, stack.enter_context(process)))
        answers: list[list[dict]] = [[] for _ in processes]
        for _ in range(rounds):
            for (_, process), times in zip(processes, answers):
                times.append(process.ask("round", OUR_LIMIT))
                time.sleep(PAUSE)
        for (row, process), times in zip(processes, answers):
            peak = process.ask("peak", OUR_LIMIT)
            row |= {
                "rounds": rounds,
                "seconds": float(np.median([answer["seconds"] for answer in times])),
                "best": min(answer["best"] for answer in times),
                "host_peak_mib": peak["host"],
                "device_peak_mib": peak["device"],
            }
    return rows


def count_flops(
    tasks: list[str], workload: Workload, environment: Mapping[str, str]
) -> dict[str, float]:
    """Counts the FLOPs of a call of each task that has a count."""
    counts = {}
    for task in (task for task in COUNTED_TASKS if task in tasks):
        with EngineProcess(ours(task), workload, dict(environment)) as process:
            counts[task] = process.ask("flops", OUR_LIMIT)["flops"]
    return counts


def matmul_rates(rows: list[dict]) -> dict[str, float]:
    """Returns the FLOP/s of the faster engine's matrix product in each number format."""
    rates: dict[str, float] = {}
    for row in rows:
        if row.get("seconds") is not None:
            size = 2048 if row["device_peak_mib"] is None else 8192
            rate = 2 * size**3 / row["seconds"]
            rates[row["dtype"]] = max(rate, rates.get(row["dtype"], 0.0))
    return rates


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config", default=str(CONFIG), help="sizes (default: configs/dcase2021.py)")
    add("--batch", type=int, default=8, help="of the extractor's tasks (default: 8)")
    add("--dtype", nargs="+", choices=FORMATS, help="default: both on a GPU, float32 on a CPU")
    add("--clips", type=int, default=160, help="recordings of the AE's epoch (default: 160)")
    add("--rounds", type=int, default=7, help="of each engine (default: 7)")
    add("--limit", type=float, default=180, help="s for a rival's first step (default: 180)")
    add("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    add("--project", action="store_true", help="project the hours of Table II from its tasks")
    add("--no-huge-pages", action="store_true", help="leave glibc's huge pages off")
    add("--out", type=Path, default=Path("bench_training"), help="prefix of the CSV")
    return parser.parse_args(arguments)


def default_formats() -> list[str]:
    """Returns both number formats on an accelerator, float32 on a CPU."""
    import jax

    return ["float32"] if jax.default_backend() == "cpu" else list(FORMATS)


def main(arguments: list[str] | None = None) -> None:
    """Measures all tasks, prints and writes the table."""
    options = parse(arguments)
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # engines share a GPU
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if not options.no_huge_pages:
        environment["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
    dtypes, settings = options.dtype or default_formats(), read_settings(options.config)
    tasks, batch = options.tasks, options.batch
    if options.project:
        tasks, batch = ["matmul", *TABLE2_TASKS], settings.extractor_batch
    rows: list[dict] = []
    matmul: dict[str, float] = {}
    folder = tempfile.mkdtemp(prefix="bench_training")
    workload = Workload(options.config, batch, options.clips, folder)
    try:
        flops = count_flops(tasks, workload, environment)
        for task in tasks:
            new = measure(
                task, workload, dtypes, environment, rounds=options.rounds, limit=options.limit
            )
            if not rows:
                print(*dict.fromkeys(row["device"] for row in new if "device" in row), sep="; ")
            if task == "matmul":
                matmul = matmul_rates(new)
                for dtype, rate in matmul.items():
                    print(f"matmul, {dtype}: {rate / 1e9:.1f} GFLOP/s")
            complete(new, workload, settings, flops, matmul)
            print(*map(format_row, new), sep="\n", flush=True)
            rows += new
    finally:
        shutil.rmtree(folder)
    if options.project:
        print(*table2_hours(rows, workload, settings), sep="\n")
    write_csv(rows, options.out.with_suffix(".csv"))


if __name__ == "__main__":
    main()
