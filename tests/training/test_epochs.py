"""Epochs from the cache and on the device take the same batches to the same end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_models import arguments, toy_autoencoder

from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.device_cache import upload
from jax_dns.training.compiler_options import compiler_options
from jax_dns.training.epochs import BatchSpec, compiled_scan, from_cache, on_device
from jax_dns.training.steps import (
    TrainState,
    compile_step,
    initial_state,
    plain_step,
    train_step,
)

SEGMENT = 40
MODEL = toy_autoencoder(SEGMENT)


@pytest.fixture
def recordings(rng):
    samples = (1000 * rng.normal(size=600)).astype(np.int16)
    store = AudioStore(
        samples,
        np.arange(6) * 100,
        np.full(6, 100),
        rng.normal(size=6),
        500 + rng.random(6),
        ("",) * 6,
    )
    return [(store, row) for row in range(6)]


def plan(number):
    rng = np.random.default_rng(number)
    return BatchSpec(rng.integers(0, 6, 4), rng.integers(0, 60, 4), arguments(4))


@jax.jit
def look(state, audio, *_):
    return state.replace(step=state.step + 1), audio


def test_batches_are_the_same_bit_for_bit(recordings):
    numbers, ticks = range(3, 8), []
    library = upload(recordings, segment=SEGMENT)
    one = from_cache(look, recordings, plan, segment=SEGMENT)
    other = on_device(look, library, recordings, plan, segment=SEGMENT)
    start = TrainState(jnp.asarray(0), {}, {}, None)
    state, audio = one(start, numbers, ticks.append)
    assert int(state.step) == 5 and ticks == [1] * 5 and audio.shape == (5, 4, SEGMENT)
    ticks.clear()
    np.testing.assert_array_equal(other(start, numbers, ticks.append)[1], audio)
    assert ticks == [5]


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_training_ends_alike(recordings, monkeypatch, backend):
    """With a GPU's compiler options too, which JAX refuses within another program."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    for cached in (compiler_options, compile_step, compiled_scan):
        cached.cache_clear()
    ends = []
    library = upload(recordings, segment=SEGMENT)
    for epoch in (
        from_cache(train_step(MODEL), recordings, plan, segment=SEGMENT),
        on_device(plain_step(MODEL), library, recordings, plan, segment=SEGMENT),
    ):
        state = initial_state(MODEL, 0)
        losses = []
        for first in (0, 10):
            state, some = epoch(state, range(first, first + 10), lambda n: None)
            losses.append(np.asarray(some))
        assert int(state.step) == 20
        ends.append(np.concatenate(losses))
    np.testing.assert_allclose(*ends, rtol=1e-4)
