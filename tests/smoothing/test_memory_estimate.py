"""Problems that can't fit are refused before they start, in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns import smooth, smooth_queries
from jax_dns.smoothing import memory_estimate, routes
from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.grouped import PaddedGroup, smooth_group
from jax_dns.smoothing.memory_estimate import check_fits, needed_bytes


def problem(rng, n, d=8):
    return rng.normal(size=n).astype(np.float32), rng.normal(size=(n, d)).astype(np.float32)


@pytest.fixture
def small_memory(monkeypatch):
    """A machine with 16 MiB to spare, where no problem is too small to check."""
    monkeypatch.setattr(memory_estimate, "UNCHECKED_BYTES", 0)
    monkeypatch.setattr(memory_estimate, "available", lambda: 2**24)
    monkeypatch.setattr(memory_estimate, "available_on", lambda device: 2**24)
    monkeypatch.setattr(memory_estimate.os, "cpu_count", lambda: 2)


@pytest.fixture(params=["host", "engine"])
def either(request, small_memory, monkeypatch):
    monkeypatch.setattr(routes, "is_for_host", lambda inputs: request.param == "host")
    return {"host": "the host", "engine": "cpu"}[request.param]


def test_the_need_is_named(rng, either, monkeypatch):
    for name in ("smooth_on_host", "smooth_by_selection"):
        monkeypatch.setattr(routes, name, lambda inputs: pytest.fail("started"))
    with pytest.raises(ValueError) as error:
        smooth(*problem(rng, 500_000), 50)
    message = str(error.value)
    assert message.startswith("features: shape [500000, 8] of float32 takes 0.")
    assert f" GiB more on {either}, expected at most the 0.0 GiB available" in message
    assert "\n" not in message


def test_problems_that_fit_pass(rng, either):
    smooth(*problem(rng, 1_000), 50)
    with pytest.raises(ValueError, match="features"):
        smooth(*problem(rng, 3_000), 1_000, block_size=3_000)
    with pytest.raises(ValueError, match="features"):
        smooth_queries(*problem(rng, 9), *problem(rng, 500_000), 5)


def test_a_history_in_a_file_needs_only_what_queries_keep(rng, small_memory, monkeypatch, tmp_path):
    scores, features = problem(rng, 200_000)
    file = np.memmap(tmp_path / "features", np.float32, "w+", shape=features.shape)
    file[:] = features
    monkeypatch.setattr(routes, "is_streamed", lambda inputs: True)
    smooth_queries(*problem(rng, 10), scores, file, 50)
    with pytest.raises(ValueError, match="query_features: 30000 queries at k = 50 takes"):
        smooth_queries(*problem(rng, 30_000), scores, file, 50)


def test_small_problems_are_not_checked(rng, monkeypatch):
    monkeypatch.setattr(memory_estimate, "available", lambda: pytest.fail("asked"))
    smooth(*problem(rng, 1_000), 50)


@pytest.mark.parametrize("block", [8, 128])
def test_the_estimate_is_what_the_compiler_takes(block):
    """Within a third, over arguments: n = 100,000, d = 128."""
    n, d = padded_columns(100_000), 128

    def shape(*size, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(size, dtype)

    numbers, one = shape(n, dtype=jnp.int32), shape(dtype=jnp.int32)
    items = shape(n), shape(n, d)
    compiled = smooth_group.lower(
        shape(1, n),
        *items,
        *items,
        PaddedGroup(numbers, one, numbers, one, numbers),
        None,
        shape(1, dtype=jnp.int32),
        block=block,
        from_minimum=False,
    ).compile()
    in_frame = 4 * n * d
    taken = compiled.memory_analysis().temp_size_in_bytes + in_frame
    assert needed_bytes(n, d, block_size=block) == pytest.approx(taken, rel=0.34)


def test_forced_devices_share_one_memory(monkeypatch):
    monkeypatch.setattr(memory_estimate, "available_on", lambda device=None: 2**30)
    device = jax.devices()[0]
    check_fits(2**29, "features", devices=[device, device])
    with pytest.raises(ValueError, match="on each of 2 devices, expected at most the 0"):
        check_fits(2**29 + 2**27, "features", devices=[device, device])
