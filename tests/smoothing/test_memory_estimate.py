"""What can't fit is refused before it starts, in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns import smooth, smooth_queries
from jax_dns.smoothing import memory_estimate, validation
from jax_dns.smoothing.engine import pruning
from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.grouped import _center, _smooth_group
from jax_dns.smoothing.memory_estimate import check_fits, needed_bytes


def problem(rng, n, d=8):
    return rng.normal(size=n).astype(np.float32), rng.normal(size=(n, d)).astype(np.float32)


@pytest.fixture
def little(monkeypatch):
    """A machine with a megabyte to spare, where nothing is too small to ask."""
    monkeypatch.setattr(memory_estimate, "UNCHECKED_BYTES", 0)
    monkeypatch.setattr(memory_estimate, "available_on", lambda device=None: 2**20)


def test_the_need_is_said_before_anything_is_moved(rng, little, monkeypatch):
    scores, features = problem(rng, 40_000)
    monkeypatch.setattr(validation.jnp, "asarray", lambda *_: pytest.fail("moved"))
    with pytest.raises(ValueError) as error:
        smooth(scores, features, 50)
    message = str(error.value)
    assert message.startswith("features: shape [40000, 8] of float32 takes 0.0 GiB more on cpu, ")
    assert "available" in message and "\n" not in message


def test_what_fits_is_not_refused(rng, little):
    smooth(*problem(rng, 1_000), 50)
    with pytest.raises(ValueError, match="features"):
        smooth(*problem(rng, 1_000), 50, block_size=1_000)
    with pytest.raises(ValueError, match="features"):
        smooth_queries(*problem(rng, 40_000), *problem(rng, 10), 5)


def test_leaving_out_columns_counts(rng, little, monkeypatch):
    scores, features = problem(rng, 70_000)
    whole = needed_bytes(*features.shape, moved=True)
    monkeypatch.setattr(memory_estimate, "available_on", lambda device=None: whole + 2**20)
    monkeypatch.setattr(validation.jnp, "asarray", lambda *_: pytest.fail("moved"))
    with pytest.raises(ValueError, match="features: shape"):
        smooth(scores, features, 50)


def test_a_history_in_a_file_needs_only_what_queries_keep(rng, little, monkeypatch, tmp_path):
    scores, features = problem(rng, 40_000)
    file = np.memmap(tmp_path / "features", np.float32, "w+", shape=features.shape)
    file[:] = features
    monkeypatch.setattr(validation, "is_streamed", lambda features: True)
    smooth_queries(*problem(rng, 10), scores, file, 50)
    with pytest.raises(ValueError, match="query_features: 2000 queries at k = 50 takes"):
        smooth_queries(*problem(rng, 2_000), scores, file, 50)


def test_small_problems_are_not_asked_about(rng, monkeypatch):
    monkeypatch.setattr(memory_estimate, "available_on", lambda device=None: pytest.fail("asked"))
    smooth(*problem(rng, 1_000), 50)


def test_the_estimate_is_what_the_compiler_takes():
    """Within a third, over arguments: n = 100,000, d = 128, blocks of 8 and 128 rows."""
    n, d = padded_columns(100_000), 128

    def shape(*size, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(size, dtype)

    features, whole = shape(n, d), shape(n, dtype=jnp.int32)
    one = shape(dtype=jnp.int32)
    centred = jax.eval_shape(lambda f: _center(f, f[:1], metric="euclidean"), features)[0]
    assert centred.shape == (n, d)
    for block in (8, 128):
        compiled = _smooth_group.lower(
            shape(1, n),
            shape(n),
            features,
            shape(n),
            features,
            whole,
            one,
            whole,
            one,
            whole,
            None,
            ks=(1_024,),
            block=block,
            prune=False,
        ).compile()
        taken = compiled.memory_analysis().temp_size_in_bytes + 4 * n * d  # and the centred
        assert needed_bytes(n, d, block_size=block) == pytest.approx(taken, rel=0.34)


def test_so_is_that_of_leaving_out_columns():
    n, d = pruning.chunked_columns(100_000), 128

    def shape(*size, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(size, dtype)

    whole, one = shape(n, dtype=jnp.int32), shape(dtype=jnp.int32)
    compiled = _smooth_group.lower(
        shape(1, n),
        shape(n),
        shape(n, d),
        shape(n),
        shape(n, d),
        whole,
        one,
        whole,
        one,
        whole,
        None,
        ks=(1_024,),
        block=pruning.ROWS,
        prune=True,
    ).compile()
    taken = compiled.memory_analysis().temp_size_in_bytes + 4 * n * d  # and the centred
    assert needed_bytes(n, d) + pruning.held_bytes(n) == pytest.approx(taken, rel=0.1)


def test_forced_devices_share_one_memory(monkeypatch):
    monkeypatch.setattr(memory_estimate, "available_on", lambda device=None: 2**30)
    device = jax.devices()[0]
    check_fits(2**29, "features", devices=[device, device])
    with pytest.raises(ValueError, match="on each of 2 devices, expected at most the 0"):
        check_fits(2**29 + 2**27, "features", devices=[device, device])
