"""The one training loop."""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.files import write_text
from jax_dns.training import checkpoints
from jax_dns.training.steps import TrainState

AHEAD = 2  # steps in flight before the host waits for a loss


def fit(
    create: Callable[[], TrainState],
    train_step: Callable[[TrainState, int], tuple[TrainState, Any]],
    *,
    folder: Path,
    epochs: int,
    steps_per_epoch: int,
    clips_per_step: int,
    validate: Callable[[TrainState], float] | None = None,
    validate_every: int = 1,
    save_every: int = 10,
    keep: str = "last",
    tensorboard: bool = False,
    title: str = "train",
) -> TrainState:
    """Trains, resuming from `folder` if there is something to resume from.

    Resume order: the folder's newest checkpoint, else `create()`. Since a step depends only on the
    state and its number, a resumed run ends bit for bit where an undisturbed one would (CPU).

    Args:
      create: makes the first state.
      train_step: (state, number of the step) -> (state, loss).
      folder: for checkpoints/ and metrics.jsonl.
      epochs: of the whole training.
      steps_per_epoch: steps in an epoch.
      clips_per_step: for the rate that is shown, clips.
      validate: state -> validation loss; None for no validation.
      validate_every: epochs.
      save_every: epochs between checkpoints; the last epoch is always saved.
      keep: "last", or "best" for the state of the lowest validation loss.
      tensorboard: also write event files (extra `tb`).
      title: of the progress bar.

    Returns:
      The trained state.

    Raises:
      InputError: a loss that isn't finite; names the step. The last checkpoint stays.
    """
    last, best = folder / "checkpoints" / "last", folder / "checkpoints" / "best"
    log = folder / "metrics.jsonl"
    state = create()
    done = checkpoints.latest_step(last) or 0
    if done:
        state = checkpoints.restore(last, done, state)
    records = _records_until(log, done)
    lowest = min((r["valid_loss"] for r in records if "valid_loss" in r), default=math.inf)
    board = _tensorboard(folder / "tensorboard") if tensorboard else None
    bar = tqdm(
        total=epochs * steps_per_epoch, initial=done, desc=title, unit="step", mininterval=0.5,
        disable=None, leave=False,
    )  # fmt: skip
    with bar:
        for epoch in range(done // steps_per_epoch, epochs):
            started = time.perf_counter()
            losses: list[Any] = []
            for step in range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch):
                state, loss = train_step(state, step)
                losses.append(loss)
                if len(losses) > AHEAD:
                    losses[-AHEAD - 1].block_until_ready()
                bar.update()
            values = np.asarray([float(loss) for loss in losses])
            if not np.isfinite(values).all():
                bad = epoch * steps_per_epoch + int(np.flatnonzero(~np.isfinite(values))[0])
                raise InputError(
                    f"{title}: the loss at step {bad} is {values[~np.isfinite(values)][0]}, "
                    f"expected a finite one; try a lower learning rate (folder {folder})"
                )
            seconds = time.perf_counter() - started
            record = {
                "step": (epoch + 1) * steps_per_epoch,
                "epoch": epoch + 1,
                "loss": float(values.mean()),
                "clips_per_second": round(steps_per_epoch * clips_per_step / seconds, 2),
            }
            final = epoch + 1 == epochs
            if validate is not None and ((epoch + 1) % validate_every == 0 or final):
                record["valid_loss"] = validate(state)
            records.append(record)
            bar.set_postfix(
                {"loss": f"{record['loss']:.4g}", "clips/s": record["clips_per_second"]}
            )
            if board is not None:
                for name in ("loss", "valid_loss"):
                    if name in record:
                        board.add_scalar(name, record[name], record["step"])
            if keep == "best" and record.get("valid_loss", math.inf) < lowest:
                lowest = record["valid_loss"]
                checkpoints.save(best, record["step"], state)
            if (epoch + 1) % save_every == 0 or final:
                _write_log(log, records)
                checkpoints.save(last, record["step"], state)
    if board is not None:
        board.close()
    if keep == "best" and (step := checkpoints.latest_step(best)):
        return checkpoints.restore(best, step, state)
    return state


def restore_trained(folder: Path, like: TrainState, *, keep: str = "last") -> TrainState | None:
    """The state that `fit` left in `folder`, or None if there is none."""
    for name in dict.fromkeys((keep, "last")):
        step = checkpoints.latest_step(folder / "checkpoints" / name)
        if step:
            return checkpoints.restore(folder / "checkpoints" / name, step, like)
    return None


def _records_until(log: Path, step: int) -> list[dict]:
    """The log's lines up to a checkpoint; later ones will be written again."""
    if not step or not log.is_file():
        return []
    records = [json.loads(line) for line in log.read_text().splitlines()]
    return [record for record in records if record["step"] <= step]


def _write_log(log: Path, records: list[dict]) -> None:
    write_text(log, "".join(json.dumps(record) + "\n" for record in records))


def _tensorboard(folder: Path) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise InputError(
            "tensorboard: tensorboardX is not installed (expected the extra: pip install "
            "'jax-dns[tb]')"
        ) from error
    return SummaryWriter(str(folder))
