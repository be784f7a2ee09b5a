"""This project's trainings of the training benchmark, as `jax-dns run` makes them."""

import functools
from collections.abc import Callable

import jax
import numpy as np
from inputs import (
    N_MACHINES,
    N_SECTIONS,
    Settings,
    Workload,
    labels,
    load_config,
    noise,
    read_settings,
    recordings,
    spectrogram_noise,
    window_noise,
)
from models_without_features import autoencoder, extractor

from jax_dns import components
from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.device_cache import upload
from jax_dns.training.epochs import BatchSpec, from_cache, on_device
from jax_dns.training.steps import (
    compile_step,
    create_state,
    initial_state,
    plain_step,
    train_step,
)
from jax_dns.types import Facts, GradientModel

Call = Callable[[], object]
ONE_CYCLE = {"learning_rate": np.float32(1e-3), "b1": np.float32(0.9)}


def build(workload: Workload, kind: str) -> GradientModel:
    """Builds a component of the workload's config."""
    settings = read_settings(workload.config)
    facts = Facts(settings.sample_rate, settings.segment, N_SECTIONS)
    return components.build(load_config(workload.config, workload.dtype), kind, facts)


def step_arguments(batch: int, hyperparameters: dict) -> tuple:
    """Returns a step's arguments after its audio: seed, labels and hyperparameters."""
    return np.uint32(0), *labels(batch), {}, hyperparameters


def stepping(model: GradientModel, inputs: np.ndarray, hyperparameters: dict) -> Call:
    """Returns a call that takes a training step, from the state that the last one left."""
    state, step = initial_state(model, 0), train_step(model)
    arguments = inputs, *step_arguments(len(inputs), hyperparameters)
    arguments = jax.block_until_ready(jax.device_put(arguments))

    def call() -> None:
        nonlocal state
        state, loss = step(state, *arguments)
        jax.block_until_ready((state, loss))

    call.lower = lambda: step.lower(state, *arguments)
    return call


def ae_step(workload: Workload) -> Call:
    """Times a step of the autoencoder from audio."""
    settings = read_settings(workload.config)
    audio = noise(settings.ae_batch, settings.segment)
    return stepping(build(workload, "generative"), audio, {})


def ae_windows_step(workload: Workload) -> Call:
    """Times a step of the autoencoder from windows."""
    windows = window_noise(read_settings(workload.config))
    return stepping(autoencoder(window=windows.shape[1]), windows, {})


def extractor_on_spectrograms(workload: Workload) -> tuple[GradientModel, np.ndarray]:
    """Returns the extractor that reads spectrograms, and a flat batch of them."""
    settings = read_settings(workload.config)
    spectrograms = spectrogram_noise(settings, workload.batch)
    model = extractor(
        n_sections=N_SECTIONS,
        n_mels=spectrograms.shape[1],
        n_frames=spectrograms.shape[2],
        feature_dim=settings.feature_dim,
        dropout=settings.dropout,
        dtype=workload.dtype,
    )
    return model, spectrograms.reshape(workload.batch, -1)


def extractor_step(workload: Workload) -> Call:
    """Times a step of the extractor from spectrograms."""
    return stepping(*extractor_on_spectrograms(workload), ONE_CYCLE)


def extractor_audio_step(workload: Workload) -> Call:
    """Times a step of the extractor from audio."""
    settings = read_settings(workload.config)
    audio = noise(workload.batch, settings.segment)
    return stepping(build(workload, "discriminative"), audio, ONE_CYCLE)


def ae_vmapped(workload: Workload) -> Call:
    """Times a step of seven machine types' autoencoders as one program."""
    settings, model = read_settings(workload.config), build(workload, "generative")
    audio = noise(N_MACHINES, settings.ae_batch, settings.segment)
    create = jax.jit(jax.vmap(functools.partial(create_state, model)))
    step = compile_step(jax.vmap(plain_step(model)))
    state = create(jax.random.split(jax.random.key(0), N_MACHINES))
    one = step_arguments(settings.ae_batch, {})
    arguments = audio, *jax.tree.map(lambda x: np.stack([x] * N_MACHINES), one)
    arguments = jax.block_until_ready(jax.device_put(arguments))

    def call() -> None:
        nonlocal state
        state, loss = step(state, *arguments)
        jax.block_until_ready((state, loss))

    return call


def ae_serial(workload: Workload) -> Call:
    """Times a step of seven machine types' autoencoders, one after the other."""
    settings, model = read_settings(workload.config), build(workload, "generative")
    audio = jax.device_put(noise(N_MACHINES, settings.ae_batch, settings.segment))
    arguments = jax.device_put(step_arguments(settings.ae_batch, {}))
    states, step = [initial_state(model, i) for i in range(N_MACHINES)], train_step(model)

    def call() -> None:
        for i in range(N_MACHINES):
            states[i], _ = step(states[i], audio[i], *arguments)
        jax.block_until_ready(states)

    return call


def ae_epoch(workload: Workload, resident: bool) -> Call:
    """Times an epoch over random crops of recordings, in the cache file or in device memory."""
    settings, model = read_settings(workload.config), build(workload, "generative")
    every, plan = epoch_inputs(workload, settings)
    options = {"segment": settings.segment}
    if resident:
        epoch = on_device(plain_step(model), upload(every, **options), every, plan, **options)
    else:
        epoch = from_cache(train_step(model), every, plan, **options)
    state, n_steps = initial_state(model, 0), -(-len(every) // settings.ae_batch)

    def call() -> None:
        nonlocal state
        state, _ = epoch(state, range(n_steps), lambda _: None)
        jax.block_until_ready(state)

    return call


def epoch_inputs(
    workload: Workload, settings: Settings
) -> tuple[list[tuple[AudioStore, int]], Callable[[int], BatchSpec]]:
    """Returns the recordings of an epoch, and the function from a step's number to its batch."""
    samples = recordings(workload, settings)
    n, length = samples.shape
    starts, lengths = np.arange(n) * length, np.full(n, length)
    mean, deviation = np.zeros(n), np.full(n, 1e3)
    store = AudioStore(samples.reshape(-1), starts, lengths, mean, deviation, ("",) * n)

    def plan(number: int) -> BatchSpec:
        rng, size = np.random.default_rng(number), settings.ae_batch
        starts = rng.integers(0, length - settings.segment + 1, size)
        return BatchSpec(rng.integers(0, n, size), starts, step_arguments(size, {}))

    return [(store, row) for row in range(n)], plan
