"""The training loop.

Resume order, obeyed by `train_loop`: the folder's newest whole checkpoint, else the first weights.
An epoch depends only on the state and the numbers of its steps, so a resumed training ends bit for
bit where an undisturbed one would (CPU).
"""

import datetime
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from jax_dns import preemption, processes
from jax_dns.errors import InputError
from jax_dns.files import write_json, write_text
from jax_dns.memory import release_freed
from jax_dns.training import checkpoints
from jax_dns.training.epochs import Epoch
from jax_dns.training.progress import Progress
from jax_dns.training.steps import TrainState

LAST, BEST = "last", "best"  # checkpoints to use: the last state, or that of least validation loss


def train_loop(
    create: Callable[[], TrainState],
    train_epoch: Epoch,
    *,
    folder: Path,
    epochs: int,
    steps_per_epoch: int,
    clips_per_step: int,
    validate: Callable[[TrainState], Any] | None = None,
    validate_every: int = 1,
    save_every: int = 10,
    checkpoint: str = LAST,
    tensorboard: bool = False,
    profile: bool = False,
    summarise: Callable[[np.ndarray], dict[str, Any]] = lambda x: {"loss": float(x.mean())},
    entries: Callable[[int], dict[str, Any]] = lambda step: {},
    logs: Mapping[Path, Callable[[dict], dict]] = MappingProxyType({}),
    title: str = "train",
) -> TrainState:
    """Trains, resuming from `folder` where it holds a whole checkpoint.

    SIGTERM saves a checkpoint after the current step (after the epoch where it is one program).

    Args:
      create: makes the first state.
      train_epoch: (state, numbers of the steps, advance) -> (state, losses); see `epochs`.
      folder: for checkpoints/ and metrics.jsonl.
      epochs: of the whole training.
      steps_per_epoch: steps in an epoch.
      clips_per_step: for the rate that is shown, clips.
      validate: state -> validation loss; None for no validation.
      validate_every: epochs between validations; the last epoch is always validated.
      save_every: epochs between checkpoints; the last epoch is always saved.
      checkpoint: LAST, or BEST to end with the state of the lowest validation loss.
      tensorboard: also write event files (extra `tb`).
      profile: leave a trace of the second epoch, which compiles nothing, in folder/profile.
      summarise: an epoch's losses -> its entries in the log, "loss" among them.
      entries: number of an epoch's last step -> further entries of its line in the log.
      logs: further logs to write at each epoch: file -> its line, made from that of this log.
      title: machine type, method and seed, for messages.

    Returns:
      The trained state.

    Raises:
      InputError: a loss that isn't finite (names the step; the last checkpoint stays), a checkpoint
        of another format version, or one that can't be written.
      Terminated: SIGTERM came; the state is saved.
    """
    last, best = folder / "checkpoints" / LAST, folder / "checkpoints" / BEST
    log = folder / "metrics.jsonl"
    state = create()
    records = _read_log(log)
    done = _resumable_step(folder, checkpoint, records, steps_per_epoch)
    if done:
        state = checkpoints.restore(last, done, state)
    checkpoints.wait_for_all()  # each process has seen the same files before the first adds to them
    records = [record for record in records if record["step"] <= done]
    logs = {log: lambda record: record, **logs} if processes.is_first() else {}
    for path, line_of in logs.items():
        write_text(path, "".join(_log_line(line_of(record)) for record in records))
    release_freed()  # what compiling the first weights took
    lowest = min((r["valid_loss"] for r in records if "valid_loss" in r), default=math.inf)
    board = _tensorboard(folder / "tensorboard") if tensorboard and processes.is_first() else None
    progress = Progress(title, epochs=epochs, steps_per_epoch=steps_per_epoch, done=done)
    with progress, preemption.defer_sigterm() as terminating:

        def advance(n: int) -> bool:
            if progress.advance(n):
                release_freed()  # what compiling the step took
            return terminating()

        for epoch in range(done // steps_per_epoch, epochs):
            started = time.perf_counter()
            steps = range(max(done, epoch * steps_per_epoch), (epoch + 1) * steps_per_epoch)
            second = epoch == done // steps_per_epoch + 1
            with jax.profiler.trace(folder / "profile") if profile and second else nullcontext():
                state, losses = train_epoch(state, steps, advance)
                values = np.asarray(losses)
            _check_finite(values, steps, title, folder)
            seconds = time.perf_counter() - started
            taken = len(values)
            values = _with_earlier_losses(folder, steps[0], values)
            if taken < len(steps):
                _keep_losses(folder, steps[taken], values)
                checkpoints.save(last, steps[taken], state)
                raise preemption.Terminated
            record = {
                "step": (epoch + 1) * steps_per_epoch,
                "epoch": epoch + 1,
                **summarise(values),
                **entries(steps[-1]),
                "clips_per_second": round(taken * clips_per_step / seconds, 2),
                "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            }
            final = epoch + 1 == epochs
            if validate is not None and ((epoch + 1) % validate_every == 0 or final):
                record["valid_loss"] = validate(state)
            records.append(record)
            for path, line_of in logs.items():
                with path.open("a", encoding="utf-8") as file:
                    file.write(_log_line(line_of(record)))
            progress.end_epoch(record)
            if board is not None:
                for name in ("loss", "valid_loss"):
                    if name in record:
                        board.add_scalar(name, record[name], record["step"])
            if checkpoint == BEST and record.get("valid_loss", math.inf) < lowest:
                lowest = record["valid_loss"]
                checkpoints.save(best, record["step"], state)
            ending = terminating()
            if (epoch + 1) % save_every == 0 or final or ending:
                checkpoints.save(last, record["step"], state)
            if ending:
                raise preemption.Terminated
    if board is not None:
        board.close()
    if checkpoint == BEST and (step := checkpoints.latest_step(best)):
        return checkpoints.restore(best, step, state)
    return state


def restore_trained(folder: Path, like: TrainState, *, checkpoint: str = LAST) -> TrainState | None:
    """Restores the state that `train_loop` left in `folder`, or None where there is none."""
    place = _checkpoint_folder(folder, checkpoint, _read_log(folder / "metrics.jsonl"))
    step = checkpoints.latest_step(place)
    return checkpoints.restore(place, step, like) if step else None


def is_trained(folder: Path, *, checkpoint: str = LAST) -> bool:
    """Returns whether `train_loop`'s final state is there with all its files, by their sizes."""
    place = _checkpoint_folder(folder, checkpoint, _read_log(folder / "metrics.jsonl"))
    return checkpoints.latest_step(place, by_size=True) is not None


def _check_finite(values: np.ndarray, steps: range, title: str, folder: Path) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        step = steps[int(np.argwhere(~finite)[0, 0])]
        raise InputError(
            f"{title}: the loss at step {step} is {values[~finite][0]}, "
            f"expected a finite one; try a lower learning rate (folder {folder})"
        )


def _checkpoint_folder(folder: Path, checkpoint: str, records: list[dict]) -> Path:
    """Returns the folder of the trained state; without validation there is no best one."""
    validated = any("valid_loss" in record for record in records)
    return folder / "checkpoints" / (BEST if checkpoint == BEST and validated else LAST)


def _resumable_step(
    folder: Path, checkpoint: str, records: list[dict], steps_per_epoch: int
) -> int:
    """Returns the step to resume from; 0 where the checkpoint or its log isn't whole."""
    done = checkpoints.latest_step(folder / "checkpoints" / LAST) or 0
    logged = [record for record in records if record["step"] <= done]
    whole = len(logged) == done // steps_per_epoch
    place = _checkpoint_folder(folder, checkpoint, logged)
    return done if whole and checkpoints.latest_step(place) else 0


def _read_log(log: Path) -> list[dict]:
    """Reads the log's lines up to the first damaged one; a kill may cut the last."""
    records = []
    try:
        for line in log.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if not record["step"]:
                break
            records.append(record)
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return records


def _log_line(record: dict) -> str:
    return json.dumps(record) + "\n"


def _keep_losses(folder: Path, step: int, values: np.ndarray) -> None:
    """Writes the losses of an interrupted epoch, for its line of the log."""
    losses = {"format_version": 1, "step": step, "losses": values.tolist()}
    write_json(folder / "unfinished_epoch.json", losses)


def _with_earlier_losses(folder: Path, step: int, values: np.ndarray) -> np.ndarray:
    """Puts the losses of the epoch's steps before an interruption at `step` in front."""
    try:
        earlier = json.loads((folder / "unfinished_epoch.json").read_text())
        if earlier["step"] == step and earlier["format_version"] == 1:
            return np.concatenate([np.asarray(earlier["losses"], values.dtype), values])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return values


def _tensorboard(folder: Path) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise InputError(
            "tensorboard: tensorboardX is not installed (expected the extra: pip install "
            "'jax-dns[tb]')"
        ) from error
    return SummaryWriter(str(folder))
