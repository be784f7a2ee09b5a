"""Lowers the project's programs from shapes alone, for devices that need not be present.

Each function takes a mesh, of `jax.experimental.topologies` or of real devices, and returns what
`jax.jit(...).lower` gives. `cost_analysis` counts a loop's body once, whatever its trips, so the
smoothing is also lowered as the body of its loop and as one counting pass.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from jax_dns import components
from jax_dns.data.device_cache import DeviceRecordings
from jax_dns.smoothing.engine.counting import count_plainly, padded_columns
from jax_dns.smoothing.engine.kth_threshold import ON_ACCELERATOR
from jax_dns.smoothing.engine.tpu_bins import BinPlan, plan_columns
from jax_dns.smoothing.sharded.arrays import ROWS
from jax_dns.smoothing.sharded.query_blocks import (
    LocalCandidates,
    smooth_block,
    smooth_group_on_devices,
)
from jax_dns.smoothing.sharded.reshard import ShardedGroupBlock
from jax_dns.training import epochs
from jax_dns.training.steps import TrainState, create_state, plain_step, train_step
from jax_dns.types import Facts, GradientModel

K = 1_024
N_SECTIONS = 6
RECORDING = 160_000  # samples: ten seconds


def shape(mesh: Mesh, spec: P, *size: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    """Returns an abstract array."""
    return jax.ShapeDtypeStruct(size, dtype, sharding=NamedSharding(mesh, spec))


def sizes(mesh: Mesh, n: int) -> tuple[int, int, BinPlan | None]:
    """Returns the items on a device, its columns, and the plan of a TPU's kernel."""
    n_items, kind = -(-n // mesh.size), mesh.devices.flat[0].device_kind
    columns = padded_columns(n_items)
    return n_items, *plan_columns(columns, K, np.dtype("f"), devices=mesh.size, kind=kind)


def smoothing(mesh: Mesh, n: int, d: int, *, block: int) -> jax.stages.Lowered:
    """Lowers `smooth` of sharded features; `block` queries are taken at once, over all devices."""
    p, (n_items, columns, plan) = mesh.size, sizes(mesh, n)
    rows, block = P(ROWS), block // p
    positions = shape(mesh, rows, p, -(-n_items // block) * block, dtype=jnp.int32)
    counts = shape(mesh, rows, p, dtype=jnp.int32)
    tables = ShardedGroupBlock(
        shape(mesh, rows, p, columns, dtype=jnp.int32), counts, positions, counts, positions
    )
    return smooth_group_on_devices.lower(
        shape(mesh, P(None, ROWS), 1, p * n_items),
        shape(mesh, rows, p * n_items),
        shape(mesh, rows, p * n_items, d),
        None,
        None,
        tables,
        shape(mesh, P(), 1, dtype=jnp.int32),
        mesh=mesh,
        metric="euclidean",
        block=block,
        plan=plan,
    )


def smoothing_body(mesh: Mesh, n: int, d: int, *, block: int) -> jax.stages.Lowered:
    """Lowers the body of the loop over blocks of queries."""
    p, (_, columns, plan) = mesh.size, sizes(mesh, n)
    rows, scalar = P(ROWS), shape(mesh, P())
    items = LocalCandidates(
        shape(mesh, rows, p * columns, d),
        shape(mesh, rows, p * columns),
        shape(mesh, rows, p * columns),
        scalar,
        shape(mesh, P(), dtype=jnp.int32),
    )

    def body(
        items: LocalCandidates, scores: jax.Array, features: jax.Array, self_index: jax.Array
    ) -> jax.Array:
        ranks = jnp.asarray([K - 1], jnp.int32)
        return smooth_block(items, scores, features, self_index, ranks, plan=plan)

    specs = (LocalCandidates(rows, rows, rows, P(), P()), rows, rows, rows)
    mapped = jax.shard_map(
        body, mesh=mesh, in_specs=specs, out_specs=P(None, ROWS), check_vma=False
    )
    return jax.jit(mapped).lower(
        items,
        shape(mesh, rows, block),
        shape(mesh, rows, block, d),
        shape(mesh, rows, block, dtype=jnp.int32),
    )


def counting_pass(mesh: Mesh, *, rows: int, columns: int) -> jax.stages.Lowered:
    """Lowers one counting pass over a block of distances, `columns` on each device."""
    specs = P(None, ROWS), P()
    count = jax.shard_map(
        lambda values, pivots: jax.lax.psum(count_plainly(values, pivots), ROWS),
        mesh=mesh,
        in_specs=specs,
        out_specs=P(),
    )
    return jax.jit(count).lower(
        shape(mesh, specs[0], rows, mesh.size * columns),
        shape(mesh, P(), rows, ON_ACCELERATOR.pivots),
    )


def _replicated(tree: Any, mesh: Mesh) -> Any:
    return jax.tree.map(lambda x: shape(mesh, P(), *x.shape, dtype=x.dtype), tree)


def build_model(config: ConfigDict, kind: str) -> GradientModel:
    """Builds a component of DCASE 2021's six sections."""
    rate = config.data.sample_rate
    facts = Facts(rate, round(config.data.segment_seconds * rate), N_SECTIONS)
    return components.build(config, kind, facts)


def abstract_state(model: GradientModel, mesh: Mesh) -> TrainState:
    """Returns the shapes of a model's training state, replicated on every device."""
    create = functools.partial(create_state, model)
    return _replicated(jax.eval_shape(create, jax.random.key(0)), mesh)


def extractor_step(mesh: Mesh, config: ConfigDict, *, batch: int) -> jax.stages.Lowered:
    """Lowers a step of the extractor's training, the batch spread over the devices."""
    model, rows = build_model(config, "discriminative"), P(mesh.axis_names[0])
    segment = round(config.data.segment_seconds * config.data.sample_rate)
    return train_step(model).lower(
        abstract_state(model, mesh),
        shape(mesh, rows, batch, segment),
        shape(mesh, P(), dtype=jnp.uint32),
        shape(mesh, rows, batch),
        shape(mesh, rows, batch, N_SECTIONS),
        {},
        {name: shape(mesh, P()) for name in model.schedule(0, 1)},
    )


def autoencoder_epoch(
    mesh: Mesh, config: ConfigDict, *, n_clips: int, n_steps: int
) -> jax.stages.Lowered:
    """Lowers an epoch of the autoencoder's training with a machine's recordings on the device."""
    model, batch = build_model(config, "generative"), config.generative.batch_size
    resident = DeviceRecordings(
        shape(mesh, P(), n_clips, RECORDING, dtype=jnp.int16),
        shape(mesh, P(), n_clips),
        shape(mesh, P(), n_clips),
    )
    columns = P(None, mesh.axis_names[0])
    plans = epochs.BatchSpec(
        shape(mesh, columns, n_steps, batch, dtype=jnp.int32),
        shape(mesh, columns, n_steps, batch, dtype=jnp.int32),
        (
            shape(mesh, P(), n_steps, dtype=jnp.uint32),
            shape(mesh, columns, n_steps, batch),
            shape(mesh, columns, n_steps, batch, N_SECTIONS),
            {},
            {},
        ),
    )
    segment = round(config.data.segment_seconds * config.data.sample_rate)
    scan = epochs.compiled_scan(plain_step(model), segment)
    return scan.lower(abstract_state(model, mesh), resident, plans)
