"""Checkpoints of a training state; the one file that knows orbax."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp


def save(folder: Path, step: int, state: Any) -> None:
    """Writes the state at `step` and drops older ones; a broken-off write leaves no trace."""
    with _manager(folder) as manager:
        if step in manager.all_steps():  # a resumed run comes by again
            manager.delete(step)
        manager.save(step, args=ocp.args.StandardSave(state), force=True)
        manager.wait_until_finished()


def latest_step(folder: Path) -> int | None:
    """The newest whole checkpoint's step, or None."""
    if not folder.is_dir():
        return None
    with _manager(folder) as manager:
        return manager.latest_step()


def restore(folder: Path, step: int, like: Any) -> Any:
    """Reads the state at `step`.

    Args:
      folder: of the checkpoints.
      step: as `latest_step` gives it.
      like: a state of the same structure, or its `jax.ShapeDtypeStruct`s; its arrays' shapes, types
        and shardings are the ones restored to.

    Returns:
      The state.
    """
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    with _manager(folder) as manager:
        return manager.restore(step, args=ocp.args.StandardRestore(abstract))


def _manager(folder: Path) -> ocp.CheckpointManager:
    # orbax takes absolute paths only, and says so late.
    return ocp.CheckpointManager(
        folder.absolute(),
        options=ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False),
    )
