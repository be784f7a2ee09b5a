"""Arrays on several devices: their mesh, their rows, invalid values, and the results' sharding."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

from jax_dns.types import ArrayLike

ROWS = "rows"  # the mesh's only axis


def is_sharded(x: Any) -> bool:
    """Whether an array is concrete and lies on more than one device."""
    return (
        isinstance(x, jax.Array)
        and not isinstance(x, jax.core.Tracer)
        and len(x.sharding.device_set) > 1
    )


def with_auto_axes(x: jax.Array) -> jax.Array:
    """Moves an array to a mesh of Auto axes without a copy.

    `jax.make_mesh` makes Explicit axes, whose arrays refuse operations that leave the result's
    sharding open.
    """
    sharding = x.sharding
    if not isinstance(sharding, NamedSharding):
        return x
    mesh = Mesh(sharding.mesh.devices, sharding.mesh.axis_names)
    return jax.device_put(x, NamedSharding(mesh, sharding.spec))


def row_mesh(x: jax.Array) -> Mesh:
    """Makes a mesh of one axis from an array's devices, in the order of the rows that they hold."""
    index_of = x.sharding.devices_indices_map(x.shape)
    order = sorted(index_of, key=lambda device: (index_of[device][0].start or 0, device.id))
    return Mesh(np.asarray(order), (ROWS,))


def place(x: Any, mesh: Mesh, rows: int) -> jax.Array:
    """Shards rows over a mesh, padded with zeros.

    Args:
      x: [n, ...] NumPy or JAX; if NumPy in several processes, the same in each.
      mesh: of `row_mesh`, p devices.
      rows: on each device; p * rows >= n.

    Returns:
      [p * rows, ...]. Nothing is copied if x is sharded so already.
    """
    sharding, missing = NamedSharding(mesh, P(ROWS)), mesh.size * rows - len(x)
    widths = [(0, missing)] + [(0, 0)] * (np.ndim(x) - 1)
    if isinstance(x, jax.core.Tracer):
        return jax.device_put(jnp.pad(x, widths), sharding)
    if isinstance(x, jax.Array) and x.sharding.device_set == set(mesh.devices.flat):
        if not missing:
            return jax.device_put(x, sharding)
        # JAX can't shard rows that don't divide: such an array is replicated, or nearly.
        replicated = jax.device_put(x, NamedSharding(mesh, P()))
        return jax.jit(lambda x: jnp.pad(x, widths), out_shardings=sharding)(replicated)
    return shard_rows(np.pad(to_host(x), widths), mesh)


def shard_rows(x: np.ndarray, mesh: Mesh) -> jax.Array:
    """Shards the first axis of an array that every process holds whole."""
    return jax.make_array_from_callback(x.shape, NamedSharding(mesh, P(ROWS)), lambda at: x[at])


def to_host(x: Any) -> np.ndarray:
    """Returns the whole array as NumPy, collected from other processes where needed."""
    if isinstance(x, jax.Array) and not (x.is_fully_addressable or x.is_fully_replicated):
        from jax.experimental import multihost_utils

        return multihost_utils.process_allgather(x, tiled=True)
    return np.asarray(x)


def match_sharding(out: ArrayLike, scores: Any) -> ArrayLike:
    """Shards results [n] or [k, n] as the scores [n] are; NumPy results stay as they are."""
    if isinstance(out, np.ndarray):
        return out
    traced = any(isinstance(x, jax.core.Tracer) for x in (out, scores))
    if traced or not (is_sharded(out) or is_sharded(scores)):
        return out
    sharding = scores.sharding
    if out.ndim > 1 and isinstance(sharding, NamedSharding):
        sharding = NamedSharding(sharding.mesh, P(None, *sharding.spec))
    if sharding.is_fully_addressable and not out.is_fully_addressable:
        return jax.device_put(to_host(out), sharding)
    return jax.device_put(out, sharding)


@jax.jit
def _find_invalid_row(x: Array) -> tuple[Array, ...]:
    x = x.reshape(len(x), -1)
    invalid, zero = ~jnp.isfinite(x), ~x.any(1)
    row = invalid.any(1).argmax()
    return invalid.any(), row, x[row][invalid[row].argmax()], zero.any(), zero.argmax()


def find_invalid_row(x: jax.Array) -> tuple[int | None, float, int | None]:
    """Finds rows that smoothing refuses, on the devices that hold them.

    Returns:
      The number of the first row that isn't finite (None: all are) and its first such value, and
      the number of the first row of zeros (None: there is none).
    """
    invalid, row, value, zero, zero_row = (np.asarray(y).item() for y in _find_invalid_row(x))
    return (row if invalid else None), value, (zero_row if zero else None)
