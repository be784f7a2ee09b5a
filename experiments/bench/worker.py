"""A process that is timed by `bench_training.py`: one engine, one workload, one order a line.

    python bench_worker.py MODULE NAME SIZES

MODULE holds WORKLOADS, NAME is one of them, SIZES the fields of `Sizes` as JSON. Orders come on
standard input; each is answered by one line of JSON on what was standard output, where nothing else
is written.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

from sizes import Sizes

ROUND_SECONDS = 0.5  # short calls are repeated for at least this long in a round


def peak() -> float:
    """MiB that this process has held at most."""
    # Not ru_maxrss, which a child inherits from its parent.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def timed(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    module_name, name, sizes = sys.argv[1], sys.argv[2], Sizes(**json.loads(sys.argv[3]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = importlib.import_module(module_name)
    call = None
    for line in sys.stdin:
        order = line.strip()
        if order == "first":
            start = time.perf_counter()
            call = module.WORKLOADS[name](sizes)
            create = time.perf_counter() - start
            answer = {"create": create, "first": timed(call), "device": module.device()}
            timed(call)
        elif order == "round":
            call()  # a training goes on; a first call after a pause took up to twice as long
            seconds = [timed(call)]
            while sum(seconds) < ROUND_SECONDS:
                seconds.append(timed(call))
            answer = {"seconds": sum(seconds) / len(seconds), "best": min(seconds)}
        elif order == "peak":
            answer = {"peak": peak(), "device_peak": module.device_peak()}
        else:  # "flops"
            answer = {"flops": module.flops(name, sizes)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
