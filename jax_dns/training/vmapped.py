"""Several autoencoders trained as one program: `vmap` over machine types and seeds.

Each run keeps its own clips, order, randomness and number of steps; where an epoch of one is
shorter than another's, its state waits. The result is the one of training them one by one, but for
rounding.
"""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from jax_dns.data.sampler import steps_per_epoch
from jax_dns.files import write_text
from jax_dns.training import checkpoints
from jax_dns.training.epochs import Plan, Step, from_cache, on_device
from jax_dns.training.loop import fit
from jax_dns.training.steps import AutoencoderSteps, TrainState
from jax_dns.training.trainers import (
    FROM_CACHE,
    BatchSource,
    Schedule,
    TrainingClips,
    autoencoder_plan,
    autoencoder_validation,
)

RUNS = "runs"  # the mesh axis that the runs are spread over


class Run(NamedTuple):
    """One of the trainings."""

    data: TrainingClips
    seed: int
    folder: Path  # for its checkpoint and log, as `train_autoencoder` leaves them


def train_together(
    steps: AutoencoderSteps,
    score: Any,
    runs: Sequence[Run],
    folder: Path,
    *,
    segment: int,
    schedule: Schedule,
    title: str,
    feed: BatchSource = FROM_CACHE,
    devices: Sequence[Any] = (),
) -> None:
    """Trains f_G of several machine types and seeds, or takes up where an earlier run stopped.

    Args:
      steps: of the network.
      score: (variables, audio) -> a_G, for validation.
      runs: the trainings.
      folder: for the checkpoints on the way, of all runs in one.
      segment: samples.
      schedule: `keep` must be "last".
      title: of the progress bar.
      feed: see `train_autoencoder`.
      devices: the runs are spread over these; none is JAX's default device.
    """
    # Runs that only fill up the last device take no step.
    padded = [*runs, *[runs[-1]] * (-len(runs) % max(1, len(devices)))]
    trained = [[run.data.recordings[i] for i in run.data.split.train] for run in padded]
    recordings = [recording for train in trained for recording in train]
    first = np.cumsum([0, *map(len, trained)])
    batch_size = schedule.batch_size
    counts = np.asarray([steps_per_epoch(len(train), batch_size=batch_size) for train in trained])
    longest = int(counts.max())
    counts[len(runs) :] = 0
    plans = [
        autoencoder_plan(train, seed=run.seed, batch_size=batch_size, segment=segment)
        for run, train in zip(padded, trained)
    ]

    def plan(number: int) -> Plan:
        epoch, place = divmod(number, longest)
        active = place < counts
        own = [
            of(int(epoch * count + place) if count > place else 0)
            for of, count in zip(plans, counts)
        ]
        rows = np.stack([first[i] + p.row for i, p in enumerate(own)])
        return Plan(rows, np.stack([p.start for p in own]), (active,))

    sharding = devices and NamedSharding(Mesh(np.asarray(devices), (RUNS,)), PartitionSpec(RUNS))

    def create() -> TrainState:
        keys = jnp.stack([jax.random.key(run.seed) for run in padded])
        return jax.jit(jax.vmap(steps.create), out_shardings=sharding or None)(keys)

    validations = [
        autoencoder_validation(score, run.data, segment=segment, schedule=schedule) for run in runs
    ]

    def validate(state: TrainState) -> list[float]:
        return [of(_one(state, i)) for i, of in enumerate(validations)]

    step = _vmapped(steps.train)
    if feed.library is None:
        epoch = from_cache(step, recordings, plan, segment=segment)
    else:
        epoch = on_device(step, feed.library, recordings, plan, segment=segment)
    state = fit(
        create,
        epoch,
        folder=folder,
        epochs=schedule.epochs,
        steps_per_epoch=longest,
        clips_per_step=len(runs) * batch_size,
        validate=validate if all(validations) else None,
        validate_every=schedule.validate_every,
        save_every=schedule.save_every,
        profile=schedule.profile,
        title=title,
        summarise=lambda losses: _summary(losses, counts[: len(runs)]),
    )
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for i, run in enumerate(runs):
        own = [_own(record, i, int(counts[i])) for record in records]
        write_text(run.folder / "metrics.jsonl", "".join(json.dumps(r) + "\n" for r in own))
        number = int(counts[i]) * schedule.epochs
        checkpoints.save(run.folder / "checkpoints" / "last", number, _one(state, i))


def _summary(losses: Float[np.ndarray, "s runs"], counts: Int[np.ndarray, " runs"]) -> dict:
    """Mean losses of an epoch: of each run over the steps it took, and of all runs."""
    each = losses[:, : len(counts)].sum(0) / counts
    return {"loss": float(each.mean()), "losses": each.tolist()}


def _own(record: dict, i: int, count: int) -> dict:
    """A run's line of the log, as a training by itself would have left it."""
    epoch = record["epoch"]
    own = {"step": epoch * count, "epoch": epoch, "loss": record["losses"][i]}
    if "valid_loss" in record:
        own["valid_loss"] = record["valid_loss"][i]
    return own


@functools.cache
def _vmapped(step: Step) -> Step:
    """The step for stacked states; those of runs that aren't active stay as they are."""

    def many(
        state: TrainState, audio: Array, active: Bool[Array, " runs"]
    ) -> tuple[TrainState, Array]:
        new, loss = jax.vmap(step)(state, audio)

        def keep(new: Array, old: Array) -> Array:
            return jnp.where(active.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        return jax.tree.map(keep, new, state), keep(loss, jnp.zeros_like(loss))

    return jax.jit(many, donate_argnums=0)


def _one(state: TrainState, i: int) -> TrainState:
    return jax.tree.map(lambda x: x[i], state)
