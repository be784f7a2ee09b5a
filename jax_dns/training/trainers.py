"""The training of a gradient model: from recordings to a trained state."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_dns.data.device_cache import DeviceCache
from jax_dns.training.batches import (
    Schedule,
    TrainingData,
    batch_plan,
    check_outliers,
    epoch_steps,
    training_recordings,
    validation,
)
from jax_dns.training.epochs import from_cache, on_device
from jax_dns.training.loop import train_loop
from jax_dns.training.steps import TrainState, initial_state, plain_step, train_step
from jax_dns.types import GradientModel


class BatchSource(NamedTuple):
    """Where batches come from and go to."""

    cache: DeviceCache | None = None  # all training recordings in device memory; None: on the host
    mesh: Mesh | None = None  # devices that share each batch; None: one device


FROM_HOST = BatchSource()


def train_model(
    model: GradientModel,
    data: TrainingData,
    folder: Path,
    *,
    seed: int,
    segment: int,
    schedule: Schedule,
    title: str,
    source: BatchSource = FROM_HOST,
    entries: Mapping[str, Any] = MappingProxyType({}),
) -> TrainState:
    """Trains a gradient model, or resumes its training.

    Args:
      model: the component.
      data: what it trains on.
      folder: for checkpoints and the log.
      seed: of the weights, the batches and the steps' randomness.
      segment: samples.
      schedule: see `Schedule`.
      title: machine type, method and seed, for messages.
      source: see `BatchSource`.
      entries: of each line of the log: seed and machine type, for instance.

    Returns:
      The trained state.

    Raises:
      InputError: no outliers for a model that needs them; see also `train_loop`.
    """
    check_outliers(model, data, title)
    recordings = training_recordings(model, data)
    plan = batch_plan(model, data, seed=seed, schedule=schedule, segment=segment)
    replicated = source.mesh and NamedSharding(source.mesh, PartitionSpec())
    options = dict(segment=segment, mesh=source.mesh)
    if source.cache is None:
        epoch = from_cache(train_step(model), recordings, plan, **options)
    else:
        epoch = on_device(plain_step(model), source.cache, recordings, plan, **options)
    steps_per_epoch = epoch_steps(model, data, schedule)
    n_steps = steps_per_epoch * schedule.epochs
    return train_loop(
        lambda: initial_state(model, seed, sharding=replicated),
        epoch,
        folder=folder,
        epochs=schedule.epochs,
        steps_per_epoch=steps_per_epoch,
        clips_per_step=schedule.batch_size,
        validate=validation(model, data, segment=segment, schedule=schedule),
        validate_every=schedule.validate_every,
        save_every=schedule.save_every,
        checkpoint=schedule.checkpoint,
        tensorboard=schedule.tensorboard,
        profile=schedule.profile,
        entries=lambda step: dict(entries) | learning_rate(model, step, n_steps),
        title=title,
    )


def learning_rate(model: GradientModel, step: int, n_steps: int) -> dict[str, float]:
    """Returns a scheduled learning rate for the log; {} for a model without a schedule."""
    values = model.schedule(step, n_steps) if model.schedule else {}
    return {name: float(values[name]) for name in ("learning_rate",) if name in values}
