"""One monitor a machine type, each a process with an inbox and a history of its own."""

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

END = 15.0  # s that a process may take to end after SIGTERM


def shard_command(
    arguments: Sequence[str], machine: str, inbox: Path, history: Path, *, without: str
) -> list[str]:
    """Returns the command line of one machine type's monitor.

    Args:
      arguments: of `jax-dns monitor` for all of them.
      machine: the machine type.
      inbox: folder that has a folder of that name for its recordings.
      history: folder for a folder of that name.
      without: the option that asks for several processes; the page's options are left out too.
    """
    remaining, page = [], ("--serve", "--host", "--token")
    for argument, before in zip(arguments, ["", *arguments]):
        is_value = before in page and not argument.startswith("-")
        if argument.partition("=")[0] not in (*page, without) and not is_value:
            remaining.append(argument)
    return [
        *(sys.executable, "-m", "jax_dns", "monitor", *remaining, f"--machines={machine}"),
        *(f"--inbox={inbox / machine}", f"--history={history / machine}"),
    ]


def run_shards(
    commands: dict[str, list[str]], log: Callable[[dict[str, Any]], None]
) -> dict[str, int]:
    """Runs a process for each shard until all have ended, and logs their events.

    A process that ends early is not started again: the event `process_ended` has its exit code, and
    the others work on. When this function is interrupted, by SIGTERM for instance, it ends all.

    Args:
      commands: shard -> command line of a process that prints events as lines of JSON.
      log: called with each event, to which the shard is added.

    Returns:
      Shard -> exit code.
    """
    lines: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
    processes: dict[str, subprocess.Popen] = {}
    codes: dict[str, int] = {}
    readers = []

    def read(name: str) -> None:
        with processes[name].stdout as output:
            for line in output:
                lines.put((name, line))
        lines.put((name, None))

    def take(name: str, line: str | None) -> None:
        if line is not None:
            log({"shard": name} | json.loads(line))
            return
        codes[name] = processes[name].wait()
        if codes[name]:
            log({"shard": name, "event": "process_ended", "code": codes[name]})

    try:
        for name, command in commands.items():
            processes[name] = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
            readers.append(threading.Thread(target=read, args=(name,), daemon=True))
            readers[-1].start()
        while len(codes) < len(processes):
            take(*lines.get())
    finally:
        _end([*processes.values()])
        for reader in readers:
            reader.join()
        while not lines.empty():
            take(*lines.get())
    return codes


def _end(processes: Sequence[subprocess.Popen]) -> None:
    """Sends SIGTERM to the processes that still run, and SIGKILL to those that don't end by it."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
