"""Checkpoints: what is saved is restored, bit for bit."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from child_processes import environment
from golden.make_checkpoint import golden_state

from jax_dns.errors import InputError
from jax_dns.training import checkpoints

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def state():
    return {
        "w": jax.random.normal(jax.random.key(0), (3, 2)),
        "nested": [jnp.arange(4), {"b": jnp.float32(7)}],
    }


def equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_round_trip_and_only_the_newest_is_kept(tmp_path, state):
    assert checkpoints.latest_step(tmp_path / "c") is None
    checkpoints.save(tmp_path / "c", 3, jax.tree.map(jnp.zeros_like, state))
    checkpoints.save(tmp_path / "c", 7, state)
    assert checkpoints.latest_step(tmp_path / "c") == 7
    equal(checkpoints.restore(tmp_path / "c", 7, state), state)
    assert not (tmp_path / "c/3").exists()


def test_restores_from_shapes_alone(tmp_path, state):
    checkpoints.save(tmp_path / "c", 1, state)
    equal(checkpoints.restore(tmp_path / "c", 1, jax.eval_shape(lambda: state)), state)


def test_a_broken_off_write_is_no_checkpoint(tmp_path, state):
    checkpoints.save(tmp_path / "c", 1, state)
    half = tmp_path / "c/2.orbax-checkpoint-tmp-0"
    half.mkdir()
    (half / "data").write_bytes(b"half")
    assert checkpoints.latest_step(tmp_path / "c") == 1


def test_relative_folders(tmp_path, state, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoints.save(Path("c"), 1, state)
    assert (tmp_path / "c/1").is_dir()


def files_of(place):
    return sorted(path for path in place.rglob("*") if path.is_file())


def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path, state):
    """Every file, cut short or with one byte another, and the one before it is taken."""
    checkpoints.save(tmp_path / "c", 1, state)
    kept = shutil.copytree(tmp_path / "c/1", tmp_path / "kept")
    checkpoints.save(tmp_path / "c", 2, state)
    shutil.copytree(kept, tmp_path / "c/1")
    for path in files_of(tmp_path / "c/2"):
        content = path.read_bytes()
        cuts = [content[:n] for n in {0, len(content) // 2, max(len(content) - 1, 0)}]
        for damaged in [*cuts, content[:-1] + bytes([content[-1] ^ 1]) if content else b"x"]:
            if damaged.split() == content.split():  # a list without its last line break is whole
                continue
            path.write_bytes(damaged)
            assert checkpoints.latest_step(tmp_path / "c") == 1, path
        path.unlink()
        assert checkpoints.latest_step(tmp_path / "c") == 1, path
        assert checkpoints.latest_step(tmp_path / "c", by_size=True) == 1, path
        path.write_bytes(content)
    assert checkpoints.latest_step(tmp_path / "c") == 2


def test_another_format_version_is_refused(tmp_path, state):
    checkpoints.save(tmp_path / "c", 1, state)
    path = tmp_path / "c/1/files.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(InputError, match=r"c/1: format_version is 2, expected 1"):
        checkpoints.latest_step(tmp_path / "c")


def test_a_write_that_fails_is_one_clear_error(tmp_path, state):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"checkpoint can't be written \("):
        checkpoints.save(tmp_path / "file/c", 1, state)


@pytest.mark.parametrize("maker", sorted(GOLDEN.glob("checkpoint_*.tar.xz")), ids=lambda p: p.stem)
def test_checkpoints_of_other_versions_are_read(tmp_path, maker):
    """Written by the pinned versions of Python 3.11 and of 3.12; each set reads both."""
    with tarfile.open(maker) as archive:
        archive.extractall(tmp_path, filter="data")
    expected = golden_state()
    assert checkpoints.latest_step(tmp_path / "last") == 7
    restored = checkpoints.restore(tmp_path / "last", 7, jax.eval_shape(lambda: expected))
    equal(restored, expected)


def test_there_are_golden_checkpoints_of_both_ends():
    assert len(list(GOLDEN.glob("checkpoint_*.tar.xz"))) == 2


DEVICES = """
import sys, jax, numpy as np
from pathlib import Path
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from jax_dns.training import checkpoints
folder = Path(sys.argv[1])
mesh = Mesh(np.asarray(jax.devices()), ("batch",))
spread = {"w": NamedSharding(mesh, P("batch")), "b": NamedSharding(mesh, P())}
values = {"w": np.arange(48, dtype=np.float32).reshape(16, 3), "b": np.float32([1, 2, 3])}
state = {name: jax.device_put(x, spread[name]) for name, x in values.items()}
for action in sys.argv[2:]:
    what, step = action.rsplit(maxsplit=1)
    if what == "save":
        checkpoints.save(folder, int(step), state)
        continue
    like = state if what == "restore" else jax.eval_shape(lambda: values)
    back = checkpoints.restore(folder, int(step), like)
    for name, x in back.items():
        np.testing.assert_array_equal(x, values[name])
        assert len(x.sharding.device_set) == (len(jax.devices()) if what == "restore" else 1)
print(len(jax.devices()))
"""


def test_checkpoints_of_eight_devices_are_restored_on_one_and_back(tmp_path):
    def process(devices, *actions):
        done = subprocess.run(
            [sys.executable, "-c", DEVICES, str(tmp_path / "c"), *actions],
            env=environment(devices=devices),
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == str(devices), done.stderr

    process(8, "save 1")
    process(1, "restore 1", "restore from shapes 1", "save 2")
    process(8, "restore 2")
