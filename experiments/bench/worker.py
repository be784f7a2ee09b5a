"""Runs one engine's workload in a process of its own, for `training.py`.

    python experiments/bench/worker.py MODULE NAME WORKLOAD

MODULE holds WORKLOADS, NAME is one of them and WORKLOAD the fields of `inputs.Workload` as JSON.
Orders come on standard input, one a line. Each is answered by one line of JSON on the process's
original standard output; everything else that is printed goes to standard error.
"""

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from inputs import Workload
from machine import host_peak_mib

ROUND_SECONDS = 0.5  # short calls are repeated for at least this long in a round


def time_call(call: Callable[[], object]) -> float:
    """Returns the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def time_round(call: Callable[[], object]) -> dict[str, float]:
    """Times a call, or several short ones; returns their mean and the best, s."""
    call()  # untimed: the first call after a pause took up to twice as long
    seconds = [time_call(call)]
    while sum(seconds) < ROUND_SECONDS:
        seconds.append(time_call(call))
    return {"seconds": sum(seconds) / len(seconds), "best": min(seconds)}


def main() -> None:
    """Answers the orders first, round, peak and flops."""
    module_name, name, workload = sys.argv[1], sys.argv[2], Workload(**json.loads(sys.argv[3]))
    gc.set_threshold(50_000, 20, 100)  # as jax-dns does; for every engine
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = importlib.import_module(module_name)
    call = None
    for line in sys.stdin:
        order = line.strip()
        answer: dict[str, Any]
        if order == "first":
            start = time.perf_counter()
            call = module.WORKLOADS[name](workload)
            create = time.perf_counter() - start
            answer = {"create": create, "first": time_call(call), "device": module.device()}
            time_call(call)
        elif order == "round":
            answer = time_round(call)
        elif order == "peak":
            answer = {"host": host_peak_mib(), "device": module.device_peak()}
        elif order == "flops":
            answer = {"flops": module.count_flops(name, workload)}
        else:
            raise ValueError(f"order {order!r}, expected first, round, peak or flops")
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
