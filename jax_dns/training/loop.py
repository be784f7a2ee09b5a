"""The one training loop."""

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jax_dns import preemption
from jax_dns.errors import InputError
from jax_dns.files import write_json, write_text
from jax_dns.training import checkpoints
from jax_dns.training.epochs import Epoch
from jax_dns.training.steps import TrainState


def fit(
    create: Callable[[], TrainState],
    train_epoch: Epoch,
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
    profile: bool = False,
    summarise: Callable[[np.ndarray], dict[str, Any]] = lambda x: {"loss": float(x.mean())},
    title: str = "train",
) -> TrainState:
    """Trains, resuming from `folder` if there is something to resume from.

    Resume order: the folder's newest whole checkpoint, else `create()`. Since an epoch depends only
    on the state and its steps' numbers, a resumed run ends bit for bit where an undisturbed one
    would (CPU). SIGTERM saves a checkpoint after the step that it comes in, wherever in an epoch
    (after the epoch where it is one program).

    Args:
      create: makes the first state.
      train_epoch: (state, numbers of the steps, advance) -> (state, losses); see `epochs`.
      folder: for checkpoints/ and metrics.jsonl.
      epochs: of the whole training.
      steps_per_epoch: steps in an epoch.
      clips_per_step: for the rate that is shown, clips.
      validate: state -> validation loss; None for no validation.
      validate_every: epochs.
      save_every: epochs between checkpoints; the last epoch is always saved.
      keep: "last", or "best" for the state of the lowest validation loss.
      tensorboard: also write event files (extra `tb`).
      profile: leave a trace of the second epoch, which compiles nothing, in folder/profile.
      summarise: an epoch's losses -> what the log says of them, "loss" at least.
      title: of the progress bar.

    Returns:
      The trained state.

    Raises:
      InputError: a loss that isn't finite; names the step. The last checkpoint stays. Or a
        checkpoint of another format version, or one that can't be written.
      Terminated: SIGTERM came; the state is saved.
    """
    last, best = folder / "checkpoints" / "last", folder / "checkpoints" / "best"
    log = folder / "metrics.jsonl"
    state = create()
    records = _records(log)
    done = _resumable(folder, keep, records, steps_per_epoch)
    if done:
        state = checkpoints.restore(last, done, state)
    records = [record for record in records if record["step"] <= done]
    lowest = min((r["valid_loss"] for r in records if "valid_loss" in r), default=math.inf)
    board = _tensorboard(folder / "tensorboard") if tensorboard else None
    bar = tqdm(
        total=epochs * steps_per_epoch,
        initial=done,
        desc=title,
        unit="step",
        mininterval=0.5,
        disable=None,
        leave=False,
    )
    with bar, preemption.noted() as asked_to_end:

        def advance(n: int) -> bool:
            bar.update(n)
            return asked_to_end()

        for epoch in range(done // steps_per_epoch, epochs):
            started = time.perf_counter()
            steps = range(max(done, epoch * steps_per_epoch), (epoch + 1) * steps_per_epoch)
            second = epoch == done // steps_per_epoch + 1
            with jax.profiler.trace(folder / "profile") if profile and second else nullcontext():
                state, losses = train_epoch(state, steps, advance)
                values = np.asarray(losses)
            if not np.isfinite(values).all():
                bad = steps[int(np.argwhere(~np.isfinite(values))[0, 0])]
                raise InputError(
                    f"{title}: the loss at step {bad} is {values[~np.isfinite(values)][0]}, "
                    f"expected a finite one; try a lower learning rate (folder {folder})"
                )
            seconds = time.perf_counter() - started
            taken = len(values)
            values = _with_earlier(folder, steps[0], values)
            if taken < len(steps):
                _write_log(log, records)
                _keep_losses(folder, steps[taken], values)
                checkpoints.save(last, steps[taken], state)
                raise preemption.Terminated
            record = {
                "step": (epoch + 1) * steps_per_epoch,
                "epoch": epoch + 1,
                **summarise(values),
                "clips_per_second": round(taken * clips_per_step / seconds, 2),
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
            ending = asked_to_end()
            if (epoch + 1) % save_every == 0 or final or ending:
                _write_log(log, records)
                checkpoints.save(last, record["step"], state)
            if ending:
                raise preemption.Terminated
    if board is not None:
        board.close()
    if keep == "best" and (step := checkpoints.latest_step(best)):
        return checkpoints.restore(best, step, state)
    return state


def restore_trained(folder: Path, like: TrainState, *, keep: str = "last") -> TrainState | None:
    """The state that `fit` left in `folder`, or None if there is none."""
    kept = _kept(folder, keep, _records(folder / "metrics.jsonl"))
    step = checkpoints.latest_step(kept)
    return checkpoints.restore(kept, step, like) if step else None


def is_trained(folder: Path, *, keep: str = "last") -> bool:
    """Whether the state that `fit` left is there with all its files, by their sizes."""
    kept = _kept(folder, keep, _records(folder / "metrics.jsonl"))
    return checkpoints.latest_step(kept, by_size=True) is not None


def _kept(folder: Path, keep: str, records: list[dict]) -> Path:
    """Where the trained state is: without validation there is no best one."""
    validated = any("valid_loss" in record for record in records)
    return folder / "checkpoints" / ("best" if keep == "best" and validated else "last")


def _resumable(folder: Path, keep: str, records: list[dict], steps_per_epoch: int) -> int:
    """The step to go on from; 0 where the checkpoint or what goes with it isn't whole."""
    done = checkpoints.latest_step(folder / "checkpoints" / "last") or 0
    logged = [record for record in records if record["step"] <= done]
    whole = len(logged) == done // steps_per_epoch
    kept = _kept(folder, keep, logged)
    return done if whole and checkpoints.latest_step(kept) else 0


def _records(log: Path) -> list[dict]:
    """The log's lines; none where it is absent or damaged."""
    try:
        records = [json.loads(line) for line in log.read_text().splitlines()]
        return records if all(record["step"] for record in records) else []
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _keep_losses(folder: Path, step: int, values: np.ndarray) -> None:
    """Writes down the losses of an epoch that is broken off, for its line of the log."""
    losses = {"format_version": 1, "step": step, "losses": values.tolist()}
    write_json(folder / "unfinished_epoch.json", losses)


def _with_earlier(folder: Path, step: int, values: np.ndarray) -> np.ndarray:
    """Puts the losses of the epoch's first steps, before an interruption at `step`, in front."""
    try:
        earlier = json.loads((folder / "unfinished_epoch.json").read_text())
        if earlier["step"] == step and earlier["format_version"] == 1:
            return np.concatenate([np.asarray(earlier["losses"], values.dtype), values])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return values


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
