"""Cases that need several devices: run in a process of their own by `test_query_blocks`.

    python tests/smoothing/sharded/on_devices.py CASE ...
    python tests/smoothing/sharded/on_devices.py processes PROCESS PORT

A CASE is the name of a function here. Prints a JSON object of their values; of the traceback where
one fails. They share sizes, and so compiled programs.
"""

import json
import sys
import traceback

import conftest  # noqa: F401  types and ranks are checked here too
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from smoothing_oracle import check

from jax_dns import smooth, smooth_grid, smooth_queries
from jax_dns.smoothing.engine import tpu_bins
from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.sharded import query_blocks, reshard
from jax_dns.smoothing.sharded.reshard import ShardedGroupBlock


def problem(n, d=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(10, d))
    features = centres[rng.integers(0, 10, n)] + 0.5 * rng.normal(size=(n, d))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


def line(axis_types=None, devices=8):
    kinds = {} if axis_types is None else {"axis_types": (axis_types,)}
    return Mesh(np.asarray(jax.devices()[:devices]), ("x",), **kinds)


def put(x, mesh, spec=None):
    """Rows over the devices where they divide, else every row on each."""
    spec = spec or (P("x") if len(x) % mesh.size == 0 else P())
    return jax.device_put(x, NamedSharding(mesh, spec))


def uneven(n):
    """Groups in order and a pool that the first devices have none of."""
    rng = np.random.default_rng(1)
    return np.sort(rng.integers(-1, 2, n)), (rng.random(n) < 0.7) & (np.arange(n) > n / 7)


def equal():
    """Legal in the sense of exactness, with groups and pools, for n that divides and doesn't."""
    for n, metric in ((400, "euclidean"), (403, "cosine")):
        scores, features = problem(n)
        groups, pool = uneven(n)
        on = [put(x, line()) for x in (scores, features)]
        got = smooth(*on, 30, groups=groups, pool=pool, metric=metric)
        check(np.asarray(got), scores, features, 30, groups, pool, metric)
        got = smooth(*on, 90, metric=metric, block_size=64)
        check(np.asarray(got), scores, features, 90, metric=metric)
    return True


def bins():
    """A TPU's kernel, interpreted: items in the order of a feature, groups and a pool.

    Returns whether rows of one class are dealt, and how many plans were made.
    """
    real = tpu_bins.TILE, tpu_bins.FOLD, query_blocks.has_kernel, query_blocks.plan_columns
    plans, dealt = [], []

    def planned(columns, k, dtype, *, devices, kind):
        plans.append(devices)
        return -(-columns // 64) * 64, tpu_bins.BinPlan(32, 16, interpret=True)

    def plan_reshard(*arguments, deal=False):
        plan = reshard.plan_reshard(*arguments, deal=deal)
        dealt.append(plan.send is not None)
        return plan

    tpu_bins.TILE, tpu_bins.FOLD = 32, 2
    query_blocks.has_kernel, query_blocks.plan_columns = lambda kind: True, planned
    query_blocks.plan_reshard = plan_reshard
    try:
        scores, features = problem(1_603)
        order = np.argsort(features[:, 0])
        scores, features = scores[order], features[order]
        groups, pool = uneven(1_603)
        on = [put(x, line()) for x in (scores, features)]
        for k in (20, 200):
            check(np.asarray(smooth(*on, k)), scores, features, k)
        got = smooth(*on, 60, groups=groups, pool=pool, metric="cosine")
        check(np.asarray(got), scores, features, 60, groups, pool, "cosine")
    finally:
        tpu_bins.TILE, tpu_bins.FOLD, query_blocks.has_kernel, query_blocks.plan_columns = real
        query_blocks.plan_reshard = reshard.plan_reshard
    return [all(dealt), len(plans)]


def same_as_one():
    """The same call on one device gives the same, but where a K-th distance rounds otherwise."""
    scores, features = problem(800)
    groups, pool = uneven(800)
    differing = []
    for options in ({}, {"groups": groups, "pool": pool}):
        got = smooth_grid(put(scores, line()), put(features, line()), (1, 90, 9), **options)
        expected = smooth_grid(scores, features, (1, 90, 9), **options)
        differing.append(int((np.abs(np.asarray(got) - expected) > 1e-5).any(0).sum()))
    return differing


def layouts():
    """The result lies as the scores do: meshes of both kinds, two axes, NumPy, another device."""
    scores, features = problem(400)
    expected = smooth(scores, features, 20)
    mesh = line(jax.sharding.AxisType.Explicit)
    square = Mesh(np.asarray(jax.devices()).reshape(2, 4), ("x", "y"))
    every = [
        (put(scores, mesh), put(features, mesh)),
        (put(scores, line()), put(features, line())),
        (put(scores, square, P(("y", "x"))), put(features, square, P("x"))),
        (put(scores, square, P()), put(features, square, P(None, "y"))),
        (jnp.asarray(scores), put(features, line(devices=4))),
    ]
    for s, f in every:
        got = smooth(s, f, 20)
        assert got.sharding == s.sharding, (got.sharding, s.sharding)
        np.testing.assert_allclose(got, expected, atol=1e-5)
    assert smooth_grid(*every[0], (3, 20)).shape == (2, 400)
    assert isinstance(smooth(scores, features, 20), np.ndarray)
    assert isinstance(smooth(scores, put(features, line()), 20), np.ndarray)
    return True


def queries():
    """New items on the host or on the devices against a history on the devices."""
    scores, features = problem(400)
    new_scores, new = problem(51, seed=3)
    groups, pool = uneven(400)
    of = dict(groups=groups, pool=pool, query_groups=groups[::7][:51])
    expected = smooth_queries(new_scores, new, scores, features, 40, **of)
    history = put(scores, line()), put(features, line())
    got = smooth_queries(new_scores, new, *history, 40, **of)
    assert isinstance(got, np.ndarray)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    there = put(new_scores, line()), put(new, line())
    np.testing.assert_allclose(smooth_queries(*there, *history, 40, **of), expected, atol=1e-5)
    return True


def gradients():
    scores, features = problem(400)
    on = put(scores, line()), put(features, line())
    jacobian = np.asarray(jax.jacobian(lambda s: smooth(s, on[1], 20))(on[0]))
    np.testing.assert_allclose(jacobian.sum(1), 1, rtol=1e-5)
    return sorted({int(x) for x in (jacobian > 0).sum(1)})


def refused():
    """Bad values are found where they lie, and named as on one device."""
    scores, features = problem(400)
    messages = []
    for row, value, metric in (
        (333, np.nan, "euclidean"),
        (7, np.inf, "euclidean"),
        (201, 0, "cosine"),
    ):
        bad = features.copy()
        bad[row] = value
        for place in (lambda x: put(x, line()), np.asarray):
            try:
                smooth(place(scores), place(bad), 5, metric=metric)
            except ValueError as error:
                messages.append(str(error))
    try:
        smooth(put(scores, line()), put(features, line()), 401)
    except ValueError as error:
        messages.append(str(error))
    return messages


def memory():
    """Bytes a device holds at most, by the compiler, for 1, 2 and 8 devices."""
    n, d, sizes = 2**16, 128, []
    for p in (1, 2, 8):
        mesh = Mesh(np.asarray(jax.devices()[:p]), (query_blocks.ROWS,))
        compiled = lowered(mesh, n, d, block=64).compile()
        found = compiled.memory_analysis()
        sizes.append(
            found.argument_size_in_bytes + found.temp_size_in_bytes + found.output_size_in_bytes
        )
    return sizes


def lowered(mesh, n, d, *, block):
    """The program for n items in one group, K = 1,024; `block` queries from all devices."""
    p, rows, rows_of = mesh.size, n // mesh.size, P(query_blocks.ROWS)

    def shape(*size, dtype=jnp.float32, spec=rows_of):
        return jax.ShapeDtypeStruct(size, dtype, sharding=NamedSharding(mesh, spec))

    columns = padded_columns(rows)
    whole, counts = shape(p, columns, dtype=jnp.int32), shape(p, dtype=jnp.int32)
    places = shape(p, rows, dtype=jnp.int32)
    of_items = shape(n), shape(n, d)
    return query_blocks.smooth_group_on_devices.lower(
        shape(1, n, spec=P(None, query_blocks.ROWS)),
        *of_items,
        None,
        None,
        ShardedGroupBlock(whole, counts, places, counts, places),
        shape(1, dtype=jnp.int32, spec=P()),
        mesh=mesh,
        metric="euclidean",
        block=block // p,
    )


def processes(process, port):
    """One of two processes with two devices each: it makes its half, and gets its half."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=int(process))
    mesh = Mesh(np.asarray(jax.devices()), ("x",))
    scores, features = problem(1_000)
    groups, pool = uneven(1_000)
    half = slice(500 * int(process), 500 * (int(process) + 1))

    def share(x):
        return jax.make_array_from_process_local_data(NamedSharding(mesh, P("x")), x[half])

    largest = 0.0
    for options in ({}, {"groups": groups, "pool": pool}):
        expected = smooth(scores, features, 50, **options)
        for kind in (share, np.asarray):
            of = {name: kind(x) for name, x in options.items()}
            got = smooth(share(scores), share(features), 50, **of)
            rows = 0
            for part in got.addressable_shards:
                there = expected[part.index[0]]
                rows += len(there)
                largest = max(largest, float(np.abs(np.asarray(part.data) - there).max()))
            assert rows == 500 and got.shape == (1_000,)
    whole = smooth(scores, share(features), 50)  # scores on the host: all of them in each process
    np.testing.assert_allclose(whole, smooth(scores, features, 50), atol=1e-5)
    features[700] = np.nan
    try:
        smooth(share(scores), share(features), 50)
    except ValueError as error:
        return [largest, jax.device_count(), str(error)]


def run_cases(names):
    values = {}
    for name in names:
        try:
            values[name] = globals()[name]()
        except Exception:
            values[name] = traceback.format_exc()[-3_000:]
    return values


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    is_process = name == "processes"
    print(json.dumps(processes(*arguments) if is_process else run_cases(sys.argv[1:])))
