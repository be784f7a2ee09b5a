"""A process that runs one engine of the training benchmark, and the engines of each task."""

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from inputs import SEVEN_AUTOENCODERS, Workload

WORKER = Path(__file__).resolve().with_name("worker.py")


class Engine(NamedTuple):
    """An engine of a task: its name in the table, the module that holds its workload."""

    name: str
    module: str
    workload: str  # a key of the module's WORKLOADS
    compiled: bool = False  # torch.compile

    @property
    def is_ours(self) -> bool:
        """Returns whether the engine is this project."""
        return self.module == "jax_workloads"


def ours(workload: str, name: str = "jax_dns") -> Engine:
    """Returns this project's engine of a workload."""
    return Engine(name, "jax_workloads", workload)


def torch_engines(workload: str) -> list[Engine]:
    """Returns PyTorch's engines of a workload: eager, and torch.compile."""
    return [
        Engine("torch", "torch_workloads", workload),
        Engine("torch.compile", "torch_workloads", workload, compiled=True),
    ]


def librosa_engine(task: str) -> Engine:
    """Returns librosa's engine of a task of features."""
    return Engine("librosa", "torch_workloads", f"{task}, librosa")


FEATURE_TASKS = ("features of the AE", "features of the extractor")
NETWORK_TASKS = (
    "AE step",
    "AE step from windows",
    "extractor forward",
    "extractor step",
    "extractor step from audio",
    "embedding",
)
TASKS: dict[str, list[Engine]] = {
    "matmul": [ours("matmul"), torch_engines("matmul")[0]],
    **{task: [ours(task), *torch_engines(task), librosa_engine(task)] for task in FEATURE_TASKS},
    **{task: [ours(task), *torch_engines(task)] for task in NETWORK_TASKS},
    SEVEN_AUTOENCODERS: [
        ours(SEVEN_AUTOENCODERS),
        ours(f"{SEVEN_AUTOENCODERS}, vmap", "jax_dns, vmap"),
        *torch_engines(SEVEN_AUTOENCODERS),
    ],
    "AE epoch": [
        ours("AE epoch"),
        ours("AE epoch, on device", "jax_dns, on device"),
        *torch_engines("AE epoch"),
    ],
}
# The features and the autoencoder compute in float32 in every engine.
BFLOAT16_TASKS = ("matmul", *(task for task in NETWORK_TASKS if not task.startswith("AE")))
COUNTED_TASKS = (*FEATURE_TASKS, *(task for task in NETWORK_TASKS if task != "embedding"))


class EngineError(Exception):
    """An engine failed or did not answer in time; the message says which."""


class EngineProcess:
    """A process that runs one engine of a task; a context manager that ends it."""

    def __init__(self, engine: Engine, workload: Workload, environment: dict[str, str]) -> None:
        workload = workload._replace(compiled=engine.compiled)
        command = [sys.executable, str(WORKER), engine.module, engine.workload]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the process)
        self.process = subprocess.Popen(
            [*command, json.dumps(workload._asdict())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )

    def __enter__(self) -> "EngineProcess":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def ask(self, order: str, limit: float) -> dict:
        """Sends an order and returns its answer.

        Args:
          order: see `worker.py`.
          limit: seconds to wait.

        Raises:
          EngineError: the process has ended, or there is no answer in time.
        """
        with contextlib.suppress(BrokenPipeError):  # the error is read below
            self.process.stdin.write(order + "\n")
            self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], limit)[0]:
            raise EngineError(f"no answer to {order!r} within {limit:g} s")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = (self.errors.read().strip().splitlines() or ["no message"])[-1]
            raise EngineError(f"failed: {last[:120]}")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(BrokenPipeError):
                file.close()
