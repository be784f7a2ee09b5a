"""Times engines in interleaved rounds, so that a slow minute of the machine meets all of them."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

PAUSE = 0.05  # s before an engine: the threads of the last one must have gone to sleep
REPEATED = 0.1  # s that an engine is called for in each round, at least once


class Engine(NamedTuple):
    """A call to time, which takes host arrays and returns one."""

    name: str
    role: str  # "ours", "product" (the floor), "baseline" or "approximate"
    device: str  # the name of the device that it runs on
    call: Callable[[], np.ndarray]


class Measurement(NamedTuple):
    """The times of an engine's calls, and the result of the first one."""

    first: float  # s, compilation included
    seconds: list[float]  # of a call, for each round
    result: np.ndarray | None
    note: str  # why there are no rounds


def measure(engines: Sequence[Engine], *, rounds: int, limit: float) -> list[Measurement]:
    """Calls each engine once, to compile, then times them in turn.

    Args:
      engines: in the order of a round.
      rounds: how often each engine is timed.
      limit: seconds; an engine of others whose first call takes longer is left out of the rounds.

    Returns:
      A measurement for each engine. One that is not installed, lacks an option or runs out of
      memory is noted; the errors of our own engines are raised.
    """
    measurements = []
    for engine in engines:
        start, result, note = time.perf_counter(), None, ""
        try:
            result = engine.call()
        except (ImportError, RuntimeError, MemoryError) as error:  # NotImplementedError too
            if engine.role == "ours":
                raise
            reason = str(error).strip().splitlines() or [""]
            note = f"left out: {type(error).__name__}: {reason[0][:80]}"
        first = time.perf_counter() - start
        if not note and first > limit and engine.role != "ours":
            note = f"left out: one call took {first:.1f} s, the limit is {limit:g} s"
        measurements.append(Measurement(first, [], result, note))
    for _ in range(rounds):
        for engine, measurement in zip(engines, measurements):
            if not measurement.note:
                time.sleep(PAUSE)
                measurement.seconds.append(_seconds(engine.call))
    return measurements


def _seconds(call: Callable[[], object]) -> float:
    start, calls = time.perf_counter(), 0
    while True:
        call()
        calls += 1
        if (spent := time.perf_counter() - start) >= REPEATED:
            return spent / calls
