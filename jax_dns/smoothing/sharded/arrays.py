"""Arrays on several devices: their mesh, their rows, their faults, and results laid out alike."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

from jax_dns.types import ArrayLike

ROWS = "rows"  # the one axis of the mesh that the work is done on


def is_sharded(x: Any) -> bool:
    """Whether an array's values are known and lie on more than one device."""
    return (
        isinstance(x, jax.Array)
        and not isinstance(x, jax.core.Tracer)
        and len(x.sharding.device_set) > 1
    )


def with_auto_axes(x: jax.Array) -> jax.Array:
    """The same buffers on a mesh of Auto axes: `jax.make_mesh` makes Explicit ones, whose arrays
    refuse operations that leave the result's sharding open."""
    sharding = x.sharding
    if not isinstance(sharding, NamedSharding):
        return x
    mesh = Mesh(sharding.mesh.devices, sharding.mesh.axis_names)
    return jax.device_put(x, NamedSharding(mesh, sharding.spec))


def row_mesh(x: jax.Array) -> Mesh:
    """All devices of an array on one axis, in the order of the rows that they hold."""
    at = x.sharding.devices_indices_map(x.shape)
    order = sorted(at, key=lambda device: (at[device][0].start or 0, device.id))
    return Mesh(np.asarray(order), (ROWS,))


def place(x: Any, mesh: Mesh, rows: int) -> jax.Array:
    """Shards rows over a mesh, padded with zeros.

    Args:
      x: [n, ...] NumPy or JAX; where it is NumPy in several processes, the same in each.
      mesh: of `row_mesh`, p devices.
      rows: of each device; p * rows >= n.

    Returns:
      [p * rows, ...]. Nothing is copied where x lies so already.
    """
    sharding, missing = NamedSharding(mesh, P(ROWS)), mesh.size * rows - len(x)
    widths = [(0, missing)] + [(0, 0)] * (np.ndim(x) - 1)
    if isinstance(x, jax.core.Tracer):
        return jax.device_put(jnp.pad(x, widths), sharding)
    if isinstance(x, jax.Array) and x.sharding.device_set == set(mesh.devices.flat):
        if not missing:
            return jax.device_put(x, sharding)
        # Rows that don't divide can't be sharded in JAX: such an array is replicated, or nearly.
        whole = jax.device_put(x, NamedSharding(mesh, P()))
        return jax.jit(lambda x: jnp.pad(x, widths), out_shardings=sharding)(whole)
    return shard_rows(np.pad(to_host(x), widths), mesh)


def shard_rows(x: np.ndarray, mesh: Mesh) -> jax.Array:
    """Shards the first axis of what every process holds whole."""
    return jax.make_array_from_callback(x.shape, NamedSharding(mesh, P(ROWS)), lambda at: x[at])


def to_host(x: Any) -> np.ndarray:
    """All of an array in each process, collected from the others where needed."""
    if isinstance(x, jax.Array) and not (x.is_fully_addressable or x.is_fully_replicated):
        from jax.experimental import multihost_utils

        return multihost_utils.process_allgather(x, tiled=True)
    return np.asarray(x)


def match_sharding(out: jax.Array, given: ArrayLike) -> jax.Array:
    """Lays results [n] or [k, n] out as the scores [n] that they belong to."""
    if needs_no_layout(out, given):
        return out
    sharding = given.sharding
    if out.ndim > 1 and isinstance(sharding, NamedSharding):
        sharding = NamedSharding(sharding.mesh, P(None, *sharding.spec))
    if sharding.is_fully_addressable and not out.is_fully_addressable:
        return jax.device_put(to_host(out), sharding)
    return jax.device_put(out, sharding)


def needs_no_layout(out: jax.Array, given: ArrayLike) -> bool:
    """Whether nothing is to be laid out."""
    traced = any(isinstance(x, jax.core.Tracer) for x in (out, given))
    return traced or not (is_sharded(out) or is_sharded(given))


@jax.jit
def _find_invalid_row(x: Array) -> tuple[Array, ...]:
    x = x.reshape(len(x), -1)
    bad, zero = ~jnp.isfinite(x), ~x.any(1)
    row = bad.any(1).argmax()
    return bad.any(), row, x[row][bad[row].argmax()], zero.any(), zero.argmax()


def find_invalid_row(x: jax.Array) -> tuple[int | None, float, int | None]:
    """Number and value of the first row that isn't finite, number of the first that is zero.

    Found where the rows lie: none of them comes to the host.
    """
    bad, row, value, zero, zero_row = (np.asarray(y).item() for y in _find_invalid_row(x))
    return (row if bad else None), value, (zero_row if zero else None)
