"""Checkpoints of a training state; the only file that imports orbax.

Each step's folder also holds `files.json`, written last: the size and digest of every file. A step
without it, or with a file that differs, was interrupted or damaged, and counts as absent. The
previous step is removed only when the new one is whole.
"""

import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import multihost

from jax_dns import processes
from jax_dns.errors import InputError
from jax_dns.files import file_digest, write_json

FORMAT_VERSION = 1
LIST = "files.json"
OVERHEAD = 2**16  # bytes that orbax writes besides the arrays, at least
_barriers = itertools.count()


def save(folder: Path, step: int, state: Any) -> None:
    """Writes the state at `step` and removes older ones; an interrupted write leaves no trace.

    A whole checkpoint of the same step is kept: a resumed run reaches it again with the same state.

    Raises:
      InputError: the folder can't be written, as on a full disk.
    """
    if jax.process_index() == 0:
        _save(folder, step, state)
    wait_for_all()


def wait_for_all() -> None:
    """Waits until every process of the run has come here; each calls it equally often."""
    if jax.process_count() > 1:
        barrier = multihost.get_barrier_sync_fn()
        barrier(key=f"jax_dns_{next(_barriers)}", timeout_ms=1000 * processes.WAIT)


def _save(folder: Path, step: int, state: Any) -> None:
    place = folder / str(step)
    if _is_whole(place, by_size=False):
        return
    if jax.process_count() > 1:  # every process has the whole state, and this one writes it
        state = jax.tree.map(np.asarray, state)
    try:
        _remove(place)
        _check_room(folder, state)
        with _manager(folder) as manager:
            manager.save(step, args=ocp.args.StandardSave(state), force=True)
            manager.wait_until_finished()
    except (OSError, ValueError, RuntimeError) as error:  # tensorstore says ValueError
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{place}: checkpoint can't be written ({reason})") from error
    files = {name: [_size(place / name), file_digest(place / name)] for name in _names(place)}
    write_json(place / LIST, {"format_version": FORMAT_VERSION, "files": files})
    for old in _steps(folder):
        if old != step:
            _remove(folder / str(old))
    for partial in folder.glob("*.orbax-checkpoint-tmp*"):
        shutil.rmtree(partial, ignore_errors=True)


def _check_room(folder: Path, state: Any) -> None:
    """Reserves the state's bytes first, since tensorstore's threads fail late and quietly.

    Raises:
      OSError: a full disk, or a limit on the size of files.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    size = sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(state))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        os.posix_fallocate(file.fileno(), 0, size + size // 10 + OVERHEAD)


def latest_step(folder: Path, *, by_size: bool = False) -> int | None:
    """Returns the step of the newest whole checkpoint, or None.

    Args:
      folder: of the checkpoints.
      by_size: compare the files' sizes only, not their digests.

    Raises:
      InputError: a checkpoint of another format version.
    """
    for step in sorted(_steps(folder), reverse=True):
        if _is_whole(folder / str(step), by_size):
            return step
    return None


def restore(folder: Path, step: int, like: Any) -> Any:
    """Reads the state at `step`.

    Args:
      folder: of the checkpoints.
      step: as `latest_step` gives it.
      like: a state of the same structure, or its `jax.ShapeDtypeStruct`s, with the shapes, types
        and shardings to restore to; an array without a sharding goes to the default device.

    Returns:
      The state.
    """
    default = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    several = jax.process_count() > 1

    def placed(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        # Without a sharding orbax asks for the devices that wrote the checkpoint.
        if leaf.sharding and not several:
            return leaf
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=default)

    like = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    with _manager(folder) as manager:
        state = manager.restore(step, args=ocp.args.StandardRestore(jax.tree.map(placed, like)))
    return jax.tree.map(_spread, state, like) if several else state


def _spread(array: jax.Array, like: jax.ShapeDtypeStruct) -> jax.Array:
    """Places an array that each process has read over the devices of all."""
    if like.sharding is None:
        return array
    values = np.asarray(array)
    return jax.make_array_from_callback(values.shape, like.sharding, lambda index: values[index])


def read_arrays(folder: Path, step: int) -> dict[str, np.ndarray]:
    """Reads every array of the state at `step`, by its path; for inspection."""
    with _manager(folder) as manager:
        tree = manager.restore(step, args=ocp.args.StandardRestore())
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _is_whole(place: Path, by_size: bool) -> bool:
    """Returns whether all files are as they were written."""
    try:
        listed = json.loads((place / LIST).read_text())
        version, files = listed["format_version"], listed["files"]
    except (OSError, ValueError, TypeError, KeyError):
        return False
    if version != FORMAT_VERSION:
        raise InputError(f"{place}: format_version is {version}, expected {FORMAT_VERSION}")
    try:
        return all(
            _size(place / name) == size and (by_size or file_digest(place / name) == digest)
            for name, (size, digest) in files.items()
        )
    except OSError:
        return False


def _steps(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return [int(path.name) for path in folder.iterdir() if path.name.isdecimal()]


def _remove(place: Path) -> None:
    # The list first: after a kill the rest is no checkpoint.
    (place / LIST).unlink(missing_ok=True)
    shutil.rmtree(place, ignore_errors=True)


def _names(place: Path) -> list[str]:
    found = (path for path in place.rglob("*") if path.is_file())
    return sorted(path.relative_to(place).as_posix() for path in found)


def _size(path: Path) -> int:
    return path.stat().st_size


def _manager(folder: Path) -> ocp.CheckpointManager:
    """Makes orbax's manager of a folder's checkpoints, for this process alone."""
    folder = folder.absolute()  # orbax fails late without
    alone, create = ocp.options.MultiprocessingOptions(), True
    if jax.process_count() > 1:
        index = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(index, {index}, f"process_{index}")
        folder.mkdir(parents=True, exist_ok=True)
        create = False  # which orbax demands of a process alone
    return ocp.CheckpointManager(
        folder,
        options=ocp.CheckpointManagerOptions(
            enable_async_checkpointing=False, create=create, multiprocessing_options=alone
        ),
    )
