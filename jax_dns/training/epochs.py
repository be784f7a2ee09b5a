"""An epoch's steps: from recordings on the device, or from the cache on the host.

Both take the same plan, batch by batch, so they see the same batches bit for bit.
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
from jax_dns.training.steps import TrainState

AHEAD = 2  # batches read before their turn, and steps in flight before the host waits for a loss
BATCH = "batch"  # the mesh axis that a batch is spread over

Step = Callable[..., tuple[TrainState, Array]]  # (state, audio, *rest) -> state, loss
Epoch = Callable[[TrainState, range, Callable[[int], Any]], tuple[TrainState, Array]]


class Plan(NamedTuple):
    """One batch before any sound is read."""

    row: Int[np.ndarray, "*b"]  # among the recordings given
    start: Int[np.ndarray, "*b"]  # first samples
    rest: tuple[Any, ...] = ()  # the step's further arguments


def from_cache(
    step: Step,
    recordings: Sequence[Recording],
    plan: Callable[[int], Plan],
    *,
    segment: int,
    mesh: Mesh | None = None,
) -> Epoch:
    """Steps fed by the host, which reads ahead while the device works.

    Args:
      step: compiled; (state, audio [b, t], *rest) -> state, loss.
      recordings: what rows of the plan point at.
      plan: number of a step -> its batch.
      segment: samples.
      mesh: devices that share each batch; each process reads its own share. None: one device.

    Returns:
      epoch(state, numbers of its steps, advance) -> state, losses; `advance(1)` is called after
      each step, and a true answer ends the epoch there.
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
    library: DeviceCache,
    recordings: Sequence[Recording],
    plan: Callable[[int], Plan],
    *,
    segment: int,
    mesh: Mesh | None = None,
) -> Epoch:
    """A whole epoch as one program, with nothing from the host but the plans at its start.

    Args:
      step: see `from_cache`, as for all arguments but `library`.
      library: holds the recordings, on the device or on every device of the mesh.
      recordings: what rows of the plan point at.
      plan: number of a step -> its batch.
      segment: samples.
      mesh: devices that share each batch.

    Returns:
      See `from_cache`; `advance` is called once, at the end.
    """
    sharding = mesh and NamedSharding(mesh, PartitionSpec(None, BATCH))
    places = library.rows(recordings)

    def epoch(state: TrainState, numbers: range, advance: Callable[[int], Any]):
        row, start, rest = jax.tree.map(lambda *x: np.stack(x), *map(plan, numbers))
        row, start = places[row].astype(np.int32), start.astype(np.int32)
        if sharding is not None:
            row, start = jax.device_put((row, start), sharding)
        plans = Plan(row, start, rest)
        state, losses = _scan(state, library.resident, plans, step=step, segment=segment)
        jax.block_until_ready(losses)
        advance(len(numbers))
        return state, np.asarray(losses)

    return epoch


@functools.partial(jax.jit, static_argnames=("step", "segment"), donate_argnums=0)
def _scan(state: TrainState, resident: DeviceRecordings, plans: Plan, *, step: Step, segment: int):
    def one(state: TrainState, plan: Plan) -> tuple[TrainState, Array]:
        audio = crop(resident, plan.row.ravel(), plan.start.ravel(), segment=segment)
        return step(state, audio.reshape(*plan.row.shape, segment), *plan.rest)

    return jax.lax.scan(one, state, plans)
