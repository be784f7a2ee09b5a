"""Training over several devices, and several processes, ends where one device's does."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from child_processes import environment

STEPS = 6


def losses(n_devices, resident):
    """Losses of a few extractor steps, batches shared by so many devices."""
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec
    from made_clips import training_clips
    from toy_models import toy_extractor

    from jax_dns.data.device_cache import upload
    from jax_dns.training.epochs import BATCH, BatchSpec, from_cache, on_device
    from jax_dns.training.steps import initial_state, plain_step, train_step

    mesh = Mesh(np.asarray(jax.devices()[:n_devices]), (BATCH,)) if n_devices > 1 else None
    clips = training_clips("fan", 0, length=50)
    store = clips.recordings[0][0]
    noise = np.random.default_rng(0).normal(size=len(store.samples)).astype(np.float32)
    recordings = [(store._replace(samples=noise), i) for i in range(20)]
    model = toy_extractor(40)

    def plan(number):
        rng = np.random.default_rng(number)
        labels = np.repeat(np.float32([1, 0]), 8), np.eye(3, dtype=np.float32)[np.arange(16) % 3]
        rates = {"learning_rate": np.float32(1e-3), "b1": np.float32(0.9)}
        rest = (np.uint32(0), *labels, {}, rates)
        return BatchSpec(rng.integers(0, 20, 16), rng.integers(0, 10, 16), rest)

    everywhere = mesh and NamedSharding(mesh, PartitionSpec())
    state = initial_state(model, 0, sharding=everywhere)
    if resident:
        library = upload(recordings, segment=40, sharding=everywhere)
        epoch = on_device(plain_step(model), library, recordings, plan, segment=40, mesh=mesh)
    else:
        epoch = from_cache(train_step(model), recordings, plan, segment=40, mesh=mesh)
    state, values = epoch(state, range(STEPS), lambda n: None)
    assert all(x.is_fully_replicated for x in jax.tree.leaves(state))
    return [float(x) for x in np.asarray(values)]


def vmapped(n_devices, folder):
    """Losses of three autoencoders of unequal size trained as one program."""
    import jax
    from training.test_vmapped import MODEL, SCHEDULE, SEGMENT, small_data

    from jax_dns.training.vmapped import Run, train_vmapped

    data = small_data(np.random.default_rng(0))
    runs = [Run(data[i % 2], i, Path(folder) / str(i)) for i in range(3)]
    train_vmapped(
        MODEL,
        runs,
        Path(folder) / "all",
        segment=SEGMENT,
        schedule=SCHEDULE,
        title="t",
        devices=jax.devices()[:n_devices] if n_devices > 1 else (),
    )
    lines = (Path(folder) / "all" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["losses"] for line in lines]


def start(expression, *, devices=1, process=""):
    """Evaluates an expression of this file in a process of its own; they cost seconds each."""
    module = "import json\nfrom training.test_devices import *"
    code = f"{process}\n{module}\nprint(json.dumps({expression}))"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(devices=devices),
    )


def result(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def on_devices(folder):
    """On one of eight devices and on several of them, in one process."""
    import jax

    assert jax.device_count() == 8
    return {
        "alone": [losses(1, False), losses(1, True)],
        "eight": [losses(8, False), losses(8, True)],
        "vmapped alone": vmapped(1, f"{folder}/1"),
        "vmapped on two": vmapped(2, f"{folder}/2"),
    }


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """What `on_devices` returns."""
    folder = str(tmp_path_factory.mktemp("devices"))
    return result(start(f"on_devices({folder!r})", devices=8))


def test_a_batch_shared_by_eight_devices(values):
    for alone in values["alone"]:
        assert len(set(alone)) == STEPS
    np.testing.assert_allclose(values["eight"], values["alone"], rtol=1e-4)


def test_a_batch_shared_by_two_processes(values):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    join = (
        "import jax\n"
        'jax.config.update("jax_cpu_collectives_implementation", "gloo")\n'
        f'jax.distributed.initialize("127.0.0.1:{port}", 2, '
    )
    both = [start("losses(4, False)", devices=2, process=f"{join}{i})") for i in range(2)]
    one, other = map(result, both)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, values["alone"][0], rtol=1e-4)


def test_autoencoders_spread_over_two_devices(values):
    spread, alone = values["vmapped on two"], values["vmapped alone"]
    np.testing.assert_allclose(spread[0], alone[0], rtol=1e-5)
    np.testing.assert_allclose(spread, alone, rtol=1e-3)
