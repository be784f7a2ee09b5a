"""Checkpoints: what is saved is restored, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.training import checkpoints


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
    from pathlib import Path

    checkpoints.save(Path("c"), 1, state)
    assert (tmp_path / "c/1").is_dir()
