"""Signals at random moments of what a command does before it trains; prints a line for each case.

    python signal_cases.py SEED NUMBER

This process imports JAX once and forks a child for each case, which saves most of a start-up. It
never uses a device itself, so that no thread of XLA is lost in the fork.
"""

import gc
import json
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jax_dns import cli

LIMIT = 20.0  # s until a signal counts as lost
SPREAD = {"import": 0.8, "trace": 0.4, "compile": 0.8, "collect": 0.1}  # s, of the moments


def import_commands() -> None:
    """Imports the pipeline, then traces."""
    import jax_dns.pipeline.run  # noqa: F401

    trace()


def trace() -> None:
    """Traces ever new programs."""
    for n in range(10**6):
        jax.make_jaxpr(jax.grad(lambda x, n=n: jnp.sum(jnp.tanh(x @ x + n)).astype(float)))(
            jax.ShapeDtypeStruct((8, 8), jnp.float32)
        )


def compile_programs() -> None:
    """Starts XLA, then compiles and runs ever new programs."""
    for n in range(10**6):
        jax.jit(lambda x, n=n: jnp.sum(jnp.sin(x) * n))(jnp.ones(16)).block_until_ready()


def collect() -> None:
    """Spends half of its time in finalisers, where Python drops a signal's exception."""

    class Garbage:
        def __del__(self):
            sum(range(200))

    for _ in range(10**6):
        pair = [Garbage() for _ in range(50)]
        pair.append(pair)
        del pair
        gc.collect(0)
        sum(range(10_000))


WORK = {"import": import_commands, "trace": trace, "compile": compile_programs, "collect": collect}


def child(work: Callable[[], None], ready: int, errors: int) -> None:
    """Does the work as a command does, and ends with its exit code."""
    os.dup2(errors, 2)

    def run(arguments: object) -> None:
        os.write(ready, b".")
        work()

    cli._run = run
    cli._exit_now(cli._main(["run"]))


def case(rng: random.Random) -> dict:
    """Sends a signal to a child at a random moment; returns what became of it."""
    kind, number = rng.choice(list(WORK)), rng.choice([signal.SIGINT, signal.SIGTERM])
    delay = rng.uniform(0, SPREAD[kind])
    ready, errors = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        child(WORK[kind], ready[1], errors[1])
    os.read(ready[0], 1)
    time.sleep(delay)
    os.kill(pid, number)
    sent = time.monotonic()
    while not (done := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() > sent + LIMIT:
            os.kill(pid, signal.SIGKILL)
            done = os.waitpid(pid, 0)
            break
        time.sleep(0.002)
    os.close(errors[1])
    with open(errors[0]) as file:
        text = file.read()
    os.close(ready[0])
    os.close(ready[1])
    return dict(
        kind=kind,
        signal=number.name,
        delay=round(delay, 3),
        code=os.waitstatus_to_exitcode(done[1]),
        seconds=round(time.monotonic() - sent, 3),
        text=text,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # JAX warns of every fork
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
    for index in range(int(sys.argv[2])):
        print(json.dumps(case(random.Random(f"{sys.argv[1]} {index}"))), flush=True)
