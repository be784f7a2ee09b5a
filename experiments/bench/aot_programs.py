"""Programs of this project for devices that need not be there: lowered from shapes alone.

Each function takes a mesh (of `jax.experimental.topologies` or of real devices) and returns what
`jax.jit(...).lower` gives. Loops are counted once by `cost_analysis`, whatever their trips, so the
smoothing is also lowered as the body of its loop and as one counting pass.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from jax_dns import components
from jax_dns.data.device_cache import DeviceRecordings
from jax_dns.smoothing.engine.counting import count_plainly, padded_columns
from jax_dns.smoothing.engine.kth_threshold import ON_ACCELERATOR
from jax_dns.smoothing.sharded.arrays import ROWS
from jax_dns.smoothing.sharded.query_blocks import (
    LocalCandidates,
    smooth_block,
    smooth_group_on_devices,
)
from jax_dns.smoothing.sharded.reshard import ShardedGroupBlock
from jax_dns.training import epochs
from jax_dns.training.optimizers import OneCycle

K = 1_024
RECORDING = 160_000  # samples of ten seconds


def shape(mesh: Mesh, spec: P, *size: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    """An array that isn't there."""
    return jax.ShapeDtypeStruct(size, dtype, sharding=NamedSharding(mesh, spec))


def sizes(mesh: Mesh, n: int) -> tuple[int, int]:
    """Items on a device, and columns of its blocks."""
    rows = -(-n // mesh.size)
    return rows, padded_columns(rows)


def smoothing(mesh: Mesh, n: int, d: int, *, block: int) -> jax.stages.Lowered:
    """The whole of `smooth` on features on the devices; `block` queries from all of them."""
    p, (rows, columns) = mesh.size, sizes(mesh, n)
    each, of = block // p, P(ROWS)
    places = shape(mesh, of, p, -(-rows // each) * each, dtype=jnp.int32)
    counts = shape(mesh, of, p, dtype=jnp.int32)
    items = shape(mesh, of, p * rows), shape(mesh, of, p * rows, d)
    tables = ShardedGroupBlock(
        shape(mesh, of, p, columns, dtype=jnp.int32), counts, places, counts, places
    )
    return smooth_group_on_devices.lower(
        shape(mesh, P(None, ROWS), 1, p * rows),
        *items,
        None,
        None,
        shape(mesh, P(), 1, d),
        tables,
        mesh=mesh,
        ks=(K,),
        metric="euclidean",
        block=each,
    )


def smoothing_body(mesh: Mesh, n: int, d: int, *, block: int) -> jax.stages.Lowered:
    """What the loop over blocks of queries does each time."""
    p, (_, columns) = mesh.size, sizes(mesh, n)
    of, one = P(ROWS), shape(mesh, P())
    items = LocalCandidates(
        shape(mesh, of, p * columns, d),
        shape(mesh, of, p * columns),
        shape(mesh, of, p * columns),
        one,
        shape(mesh, P(), dtype=jnp.int32),
    )
    queries = shape(mesh, of, block), shape(mesh, of, block, d)

    def body(
        items: LocalCandidates, scores: jax.Array, features: jax.Array, own: jax.Array
    ) -> jax.Array:
        return smooth_block(items, scores, features, own, ks=(K,))

    specs = (LocalCandidates(of, of, of, P(), P()), of, of, of)
    mapped = jax.shard_map(
        body, mesh=mesh, in_specs=specs, out_specs=P(None, ROWS), check_vma=False
    )
    return jax.jit(mapped).lower(items, *queries, shape(mesh, of, block, dtype=jnp.int32))


def counting_pass(mesh: Mesh, n: int, *, block: int) -> jax.stages.Lowered:
    """One pass over a block of distances."""
    specs = P(None, ROWS), P()
    count = jax.shard_map(
        lambda values, pivots: jax.lax.psum(count_plainly(values, pivots), ROWS),
        mesh=mesh,
        in_specs=specs,
        out_specs=P(),
    )
    return jax.jit(count).lower(
        shape(mesh, specs[0], block, mesh.size * sizes(mesh, n)[1]),
        shape(mesh, P(), block, ON_ACCELERATOR.pivots),
    )


def _everywhere(tree: Any, mesh: Mesh) -> Any:
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=NamedSharding(mesh, P())), tree
    )


def extractor_step(mesh: Mesh, config: ConfigDict, *, batch: int) -> jax.stages.Lowered:
    """A step of the extractor's training, the batch spread over the devices."""
    net, sections = components.extractor(config, n_sections=6), 6
    state = _everywhere(jax.eval_shape(net.create, jax.random.key(0)), mesh)
    of = P(mesh.axis_names[0])
    return net.train.lower(
        state,
        shape(mesh, of, batch, components.segment_samples(config)),
        shape(mesh, P(), dtype=jnp.int32),
        shape(mesh, of, batch),
        shape(mesh, of, batch, sections),
        OneCycle(*(shape(mesh, P()) for _ in OneCycle._fields)),
    )


def autoencoder_epoch(
    mesh: Mesh, config: ConfigDict, *, clips: int, steps: int
) -> jax.stages.Lowered:
    """An epoch of the autoencoder's training with a machine's recordings on the device."""
    net, batch = components.autoencoder(config).steps, config.ae.batch_size
    state = _everywhere(jax.eval_shape(net.create, jax.random.key(0)), mesh)
    every = P()
    resident = DeviceRecordings(
        shape(mesh, every, clips, RECORDING, dtype=jnp.int16),
        shape(mesh, every, clips),
        shape(mesh, every, clips),
    )
    of = P(None, mesh.axis_names[0])
    plans = epochs.Plan(
        shape(mesh, of, steps, batch, dtype=jnp.int32),
        shape(mesh, of, steps, batch, dtype=jnp.int32),
    )
    segment = components.segment_samples(config)
    return epochs._scan.lower(state, resident, plans, step=net.train, segment=segment)
