"""Several trainings of one model as one program: `vmap` over machine types and seeds.

Each run keeps its own clips, order, randomness and number of steps. Where an epoch of one run is
shorter than another's, its state waits. The results equal those of training one by one, except for
rounding.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from jax_dns.training import checkpoints
from jax_dns.training.batches import (
    Schedule,
    TrainingData,
    batch_plan,
    epoch_steps,
    training_recordings,
    validation,
)
from jax_dns.training.epochs import BatchSpec, from_cache, on_device
from jax_dns.training.loop import LAST, train_loop
from jax_dns.training.steps import Step, TrainState, compile_step, create_state, plain_step
from jax_dns.training.trainers import FROM_HOST, BatchSource, learning_rate
from jax_dns.types import GradientModel

RUNS = "runs"  # the mesh axis that the runs are spread over


class Run(NamedTuple):
    """One of the trainings."""

    data: TrainingData
    seed: int
    folder: Path  # for its checkpoint and log, as `train_model` leaves them
    entries: Mapping[str, Any] = MappingProxyType({})  # of each line of its log


def train_vmapped(
    model: GradientModel,
    runs: Sequence[Run],
    folder: Path,
    *,
    segment: int,
    schedule: Schedule,
    title: str,
    source: BatchSource = FROM_HOST,
    devices: Sequence[Any] = (),
) -> None:
    """Trains one model on several machine types and seeds, or resumes that.

    Args:
      model: the component, the same for all runs.
      runs: the trainings.
      folder: for the checkpoints on the way, of all runs in one.
      segment: samples.
      schedule: `checkpoint` must be LAST.
      title: for messages.
      source: see `train_model`; its mesh isn't used.
      devices: the runs are spread over these; none: JAX's default device.
    """
    # Runs that only fill up the last device take no step.
    padded = [*runs, *[runs[-1]] * (-len(runs) % max(1, len(devices)))]
    trained = [training_recordings(model, run.data) for run in padded]
    recordings = [recording for part in trained for recording in part]
    first = np.cumsum([0, *map(len, trained)])
    counts = np.asarray([epoch_steps(model, run.data, schedule) for run in padded])
    longest = int(counts.max())
    counts[len(runs) :] = 0
    plans = [
        batch_plan(model, run.data, seed=run.seed, schedule=schedule, segment=segment)
        for run in padded
    ]

    def plan(number: int) -> BatchSpec:
        epoch, place = divmod(number, longest)
        specs = [
            plan(int(epoch * count + place) if count > place else 0)
            for plan, count in zip(plans, counts)
        ]
        rows = np.stack([first[i] + spec.row for i, spec in enumerate(specs)])
        arguments = jax.tree.map(lambda *x: np.stack(x), *(spec.rest for spec in specs))
        starts = np.stack([spec.start for spec in specs])
        return BatchSpec(rows, starts, (place < counts, *arguments))

    sharding = devices and NamedSharding(Mesh(np.asarray(devices), (RUNS,)), PartitionSpec(RUNS))

    def create() -> TrainState:
        keys = jnp.stack([jax.random.key(run.seed) for run in padded])
        init = jax.vmap(functools.partial(create_state, model))
        return jax.jit(init, out_shardings=sharding or None)(keys)

    validations = [validation(model, run.data, segment=segment, schedule=schedule) for run in runs]

    def validate(state: TrainState) -> list[float]:
        return [validate(_select_run(state, i)) for i, validate in enumerate(validations)]

    step = _vmapped(plain_step(model))
    if source.cache is None:
        epoch = from_cache(compile_step(step), recordings, plan, segment=segment)
    else:
        epoch = on_device(step, source.cache, recordings, plan, segment=segment)
    state = train_loop(
        create,
        epoch,
        folder=folder,
        epochs=schedule.epochs,
        steps_per_epoch=longest,
        clips_per_step=len(runs) * schedule.batch_size,
        validate=validate if all(validations) else None,
        validate_every=schedule.validate_every,
        save_every=schedule.save_every,
        profile=schedule.profile,
        title=title,
        summarise=lambda losses: _summary(losses, counts[: len(runs)]),
        logs={
            run.folder / "metrics.jsonl": functools.partial(
                _run_record, model, run, i, int(counts[i]), schedule.epochs
            )
            for i, run in enumerate(runs)
        },
    )
    for i, run in enumerate(runs):
        number = int(counts[i]) * schedule.epochs
        checkpoints.save(run.folder / "checkpoints" / LAST, number, _select_run(state, i))


def _summary(losses: Float[np.ndarray, "s runs"], counts: Int[np.ndarray, " runs"]) -> dict:
    """Averages an epoch's losses: of each run over the steps it took, and of all runs."""
    means = losses[:, : len(counts)].sum(0) / counts
    return {"loss": float(means.mean()), "losses": means.tolist()}


def _run_record(
    model: GradientModel, run: Run, i: int, count: int, epochs: int, record: dict
) -> dict:
    """Returns run i's line of the log, as its training alone would have left it."""
    epoch = record["epoch"]
    own = {"step": epoch * count, "epoch": epoch, "loss": record["losses"][i], **run.entries}
    if "valid_loss" in record:
        own["valid_loss"] = record["valid_loss"][i]
    return own | learning_rate(model, epoch * count - 1, epochs * count) | {"time": record["time"]}


@functools.cache
def _vmapped(step: Step) -> Step:
    """Maps a step over stacked states; those of runs that aren't active stay as they are."""

    def step_all(
        state: TrainState, audio: Array, active: Bool[Array, " runs"], *arguments: Any
    ) -> tuple[TrainState, Array]:
        new, loss = jax.vmap(step)(state, audio, *arguments)

        def keep(new: Array, old: Array) -> Array:
            return jnp.where(active.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        return jax.tree.map(keep, new, state), keep(loss, jnp.zeros_like(loss))

    return step_all


def _select_run(state: TrainState, i: int) -> TrainState:
    return jax.tree.map(lambda x: x[i], state)
