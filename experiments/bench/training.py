"""Training and features against PyTorch: interleaved rounds of separate processes.

    python experiments/bench/training.py --out bench_training
    python experiments/bench/training.py --batch 128 --dtype bfloat16      # on a GPU
    python experiments/bench/training.py --project    # hours of Table II, at the config's batch

Needs the extra `bench`. Each engine of a task is a process that lives through the task and times a
round when asked; rounds go around the engines, at least seven, a call untimed before each and short
ones repeated for half a second. This project's process is started twice: with an empty compilation
cache, for the cold first step, and with what that left in it, for the warm one and the rounds.
Prints a table and writes <out>.csv: medians of the rounds; their ratio to PyTorch's (channels-last,
eager), and that of the best calls, which other work on the machine disturbs least; first steps with
compilation; the process's peak memory (VmHWM) or a GPU's; FLOP/s, by XLA's count of the plain
program for all engines, and their share of what the faster engine makes of a matrix product, timed
in the same run. All engines get glibc's huge pages, which `jax-dns` sets for itself, unless --no-
huge-pages is given. The config's sizes are the paper's.
"""

import argparse
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sizes import SEVEN, Sizes, load_config
from table import complete, hours, show, write

HERE = Path(__file__).resolve().parent
PAUSE = 0.2  # s between engines: threads that spin after their work must have gone to sleep
COLD_LIMIT = 1800  # s for an answer of our own engines


class Engine(NamedTuple):
    """Who does a task: a name for the table, a module, its workload."""

    name: str
    module: str
    workload: str
    compiled: bool = False  # torch.compile


def _jax(workload: str, name: str = "jax_dns") -> Engine:
    return Engine(name, "jax_engines", workload)


def _torch(workload: str) -> list[Engine]:
    compiled = Engine("torch.compile", "torch_rivals", workload, compiled=True)
    return [Engine("torch", "torch_rivals", workload), compiled]


def _both(task: str) -> list[Engine]:
    return [_jax(task), *_torch(task)]


def _with_librosa(task: str) -> list[Engine]:
    return [*_both(task), Engine("librosa", "torch_rivals", f"{task}, librosa")]


TASKS = {
    "matmul": _both("matmul")[:2],
    "features of the AE": _with_librosa("features of the AE"),
    "features of the extractor": _with_librosa("features of the extractor"),
    "AE step": _both("AE step"),
    "AE step from windows": _both("AE step from windows"),
    SEVEN: [_jax(SEVEN), _jax(f"{SEVEN}, vmap", "jax_dns, vmap"), *_torch(SEVEN)],
    "AE epoch": [
        _jax("AE epoch"),
        _jax("AE epoch, on device", "jax_dns, on device"),
        *_torch("AE epoch"),
    ],
    "extractor forward": _both("extractor forward"),
    "extractor step": _both("extractor step"),
    "extractor step from audio": _both("extractor step from audio"),
    "embedding": _both("embedding"),
}
COUNTED = (
    "features of the AE",
    "features of the extractor",
    "AE step",
    "AE step from windows",
    "extractor forward",
    "extractor step",
    "extractor step from audio",
)


class Failure(Exception):
    """An engine that gave no answer; says why."""


class Worker:
    """A process of one engine."""

    def __init__(self, engine: Engine, sizes: Sizes, environment: dict[str, str]) -> None:
        sizes = sizes._replace(compiled=engine.compiled)
        command = [sys.executable, str(HERE / "bench_worker.py"), engine.module, engine.workload]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives with the process)
        self.process = subprocess.Popen(
            [*command, json.dumps(sizes._asdict())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )

    def ask(self, order: str, limit: float) -> dict:
        """The answer to an order; raises Failure where there is none in `limit` seconds."""
        with contextlib.suppress(BrokenPipeError):  # the reason is found below
            self.process.stdin.write(order + "\n")
            self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], limit)[0]:
            raise Failure(f"no {order} within {limit:g} s")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = (self.errors.read().strip().splitlines() or ["no message"])[-1]
            raise Failure(f"failed: {last[:120]}")
        return json.loads(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(BrokenPipeError):
                file.close()


def measure(task: str, sizes: Sizes, environment: dict, rounds: int, limit: float) -> list[dict]:
    """One row an engine, without what needs other tasks."""
    workers, rows = {}, {}
    for engine in TASKS[task]:
        row = rows[engine.name] = {"task": task, "engine": engine.name, "note": ""}
        ours = engine.module == "jax_engines"
        cache = tempfile.mkdtemp(dir=sizes.folder)
        own = environment | {"JAX_COMPILATION_CACHE_DIR": cache, "TORCHINDUCTOR_CACHE_DIR": cache}
        for kind in ("cold", "warm") if ours or engine.compiled else ("cold",):
            worker = Worker(engine, sizes, own)
            try:
                answer = worker.ask("first", COLD_LIMIT if ours else limit)
            except Failure as failure:
                row["note"] = str(failure)
                worker.close()
                break
            row |= {f"create_{kind}_s": answer["create"], f"first_{kind}_s": answer["first"]}
            row["device"] = answer["device"]
            if kind == "cold" and (ours or engine.compiled):
                worker.close()
        else:
            workers[engine.name] = worker
    times: dict[str, list[dict]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            times[name].append(worker.ask("round", COLD_LIMIT))
            time.sleep(PAUSE)
    for name, worker in workers.items():
        answer = worker.ask("peak", limit)
        rows[name] |= {
            "rounds": rounds,
            "seconds": float(np.median([round_["seconds"] for round_ in times[name]])),
            "best": min(round_["best"] for round_ in times[name]),
            "peak_mib": answer["peak"],
            "device_peak_mib": answer["device_peak"],
        }
        worker.close()
    return list(rows.values())


def flop_counts(tasks: list[str], sizes: Sizes, environment: dict) -> dict[str, float]:
    """FLOPs of a call of each task that has a count."""
    counts = {}
    for task in (task for task in COUNTED if task in tasks):
        worker = Worker(_jax(task), sizes._replace(dtype="float32"), environment)
        counts[task] = worker.ask("flops", COLD_LIMIT)["flops"]
        worker.close()
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default=str(HERE.parent / "configs" / "dcase2021.py"))
    parser.add_argument("--batch", type=int, default=8, help="of the extractor's tasks")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--clips", type=int, default=160, help="recordings of the AE's epoch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--limit", type=float, default=180, help="seconds for a rival's first step")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--project", action="store_true", help="hours of Table II")
    parser.add_argument("--no-huge-pages", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("bench_training"))
    options = parser.parse_args()
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # engines share a GPU
    if not options.no_huge_pages:
        environment["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
    sizes = Sizes(options.config, options.batch, options.clips, options.dtype, "")
    config, tasks = load_config(sizes), options.tasks
    if options.project:
        sizes = sizes._replace(batch=config.extractor.batch_size)
        tasks = ["matmul", "AE step", "extractor step from audio", "embedding"]
    rows, product = [], 0.0
    folder = tempfile.mkdtemp(prefix="bench_training")
    sizes = sizes._replace(folder=folder)
    try:
        counts = flop_counts(tasks, sizes, environment)
        for task in tasks:
            new = measure(task, sizes, environment, options.rounds, options.limit)
            if not rows:
                print(*{row["device"] for row in new if "device" in row}, sep="; ")
            complete(new, sizes, config, counts, product)
            rows += new
            if task == "matmul":
                size = 2048 if not any(row.get("device_peak_mib") for row in new) else 8192
                product = 2 * size**3 / min(row["seconds"] for row in new if "seconds" in row)
                print(f"matmul: {product / 1e9:.1f} GFLOP/s")
            show(new)
    finally:
        shutil.rmtree(folder)
    if options.project:
        hours(rows, sizes, config)
    write(rows, options.out.with_suffix(".csv"))


if __name__ == "__main__":
    main()
