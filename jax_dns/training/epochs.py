"""One epoch's steps, on recordings in device memory or read from the cache on the host.

Both follow the same plan, so they see the same batches bit for bit.
"""

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from jax_dns.data.crops import read_segments
from jax_dns.data.device_cache import DeviceCache, DeviceRecordings, Recording, crop
from jax_dns.data.prefetch import read_ahead
from jax_dns.training.compiler_options import compiler_options
from jax_dns.training.steps import Step, TrainState

AHEAD = 2  # batches read before their turn, and steps in flight before the host waits for a loss
BATCH = "batch"  # the mesh axis that a batch is spread over

Epoch = Callable[[TrainState, range, Callable[[int], Any]], tuple[TrainState, Array]]


class BatchSpec(NamedTuple):
    """The specification of one batch, before any sound is read."""

    row: Int[np.ndarray, "*b"]  # among the recordings given
    start: Int[np.ndarray, "*b"]  # first samples
    rest: tuple[Any, ...] = ()  # the step's further arguments


def from_cache(
    step: Step,
    recordings: Sequence[Recording],
    plan: Callable[[int], BatchSpec],
    *,
    segment: int,
    mesh: Mesh | None = None,
) -> Epoch:
    """Makes an epoch whose batches the host reads ahead while the device works.

    Args:
      step: compiled; (state, audio [b, t], *rest) -> state, loss.
      recordings: the recordings that rows of the plan index.
      plan: number of a step -> its batch.
      segment: samples.
      mesh: devices that share each batch; each process reads its own share. None: one device.

    Returns:
      epoch(state, numbers of its steps, advance) -> state, losses. `advance(1)` is called after
      each step; a truthy return stops the epoch.
    """

    def read(number: int) -> tuple[Any, tuple]:
        row, start, rest = plan(number)
        shape = (*row.shape, segment)

        def part(index: tuple[slice, ...] = ()) -> np.ndarray:
            rows = row[index[: row.ndim]]
            chosen = [recordings[i] for i in rows.ravel()]
            audio = read_segments(chosen, start[index[: row.ndim]].ravel(), segment=segment)
            return audio.reshape(*rows.shape, segment)

        if mesh is None:
            return part(), rest
        sharding = NamedSharding(mesh, PartitionSpec(BATCH))
        return jax.make_array_from_callback(shape, sharding, part), rest

    def epoch(state: TrainState, numbers: range, advance: Callable[[int], Any]):
        losses: list[Array] = []
        with contextlib.closing(read_ahead(read, numbers, ahead=AHEAD)) as batches:
            for audio, rest in batches:
                state, loss = step(state, audio, *rest)
                losses.append(loss)
                if len(losses) > AHEAD:
                    jax.block_until_ready(losses[-AHEAD - 1])
                if advance(1):
                    break
        return state, np.stack(losses)

    return epoch


def on_device(
    step: Step,
    cache: DeviceCache,
    recordings: Sequence[Recording],
    plan: Callable[[int], BatchSpec],
    *,
    segment: int,
    mesh: Mesh | None = None,
) -> Epoch:
    """Makes an epoch that is one program; the host sends it the batches' specifications.

    Args:
      step: not compiled: it becomes a part of the epoch's program.
      cache: holds the recordings, on the device or on every device of the mesh.
      recordings: see `from_cache`, as for the arguments that follow.
      plan: number of a step -> its batch.
      segment: samples.
      mesh: devices that share each batch.

    Returns:
      See `from_cache`; `advance` is called once, at the end.
    """
    sharding = mesh and NamedSharding(mesh, PartitionSpec(None, BATCH))
    places, compiled = cache.rows(recordings), compiled_scan(step, segment)

    def epoch(state: TrainState, numbers: range, advance: Callable[[int], Any]):
        row, start, rest = jax.tree.map(lambda *x: np.stack(x), *map(plan, numbers))
        row, start = places[row].astype(np.int32), start.astype(np.int32)
        if sharding is not None:
            row, start = jax.device_put((row, start), sharding)
        plans = BatchSpec(row, start, rest)
        state, losses = compiled(state, cache.resident, plans)
        jax.block_until_ready(losses)
        advance(len(numbers))
        return state, np.asarray(losses)

    return epoch


@functools.lru_cache(maxsize=16)
def compiled_scan(step: Step, segment: int) -> Callable[..., tuple[TrainState, Array]]:
    """Returns the program of `on_device`'s epochs: (state, recordings, plans) -> state, losses."""

    def scan(
        state: TrainState, resident: DeviceRecordings, plans: BatchSpec
    ) -> tuple[TrainState, Array]:
        def one(state: TrainState, plan: BatchSpec) -> tuple[TrainState, Array]:
            audio = crop(resident, plan.row.ravel(), plan.start.ravel(), segment=segment)
            return step(state, audio.reshape(*plan.row.shape, segment), *plan.rest)

        return jax.lax.scan(one, state, plans)

    return jax.jit(scan, donate_argnums=0, compiler_options=compiler_options())
