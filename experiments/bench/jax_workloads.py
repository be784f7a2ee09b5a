"""This project's side of `bench_training.py`: what is timed, as a training calls it.

A workload takes the sizes, makes its state and returns a call that does the work once and waits
for the result.
"""

import functools
from collections.abc import Callable

import jax
import numpy as np
from fast_and_plain import plain_path
from sizes import (
    CLIP_SECONDS,
    FEATURE_CLIPS,
    MACHINES,
    SECTIONS,
    Sizes,
    labels,
    load_config,
    noise,
    recordings,
    segment_noise,
    spectrograms,
    windows,
)

from jax_dns import components
from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.device_cache import upload
from jax_dns.discriminative.serial_oe import Extractor
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.generative.autoencoder import Autoencoder
from jax_dns.training.epochs import from_cache, on_device
from jax_dns.training.optimizers import OneCycle
from jax_dns.training.steps import autoencoder_steps, extractor_steps
from jax_dns.training.trainers import autoencoder_plan

Call = Callable[[], object]
CYCLE = OneCycle(np.float32(1e-3), np.float32(0.9))


def _stepping(create, train, *arguments) -> Call:
    """A training step, whose state goes on from call to call."""
    state = [create(jax.random.key(0))]
    arguments = jax.block_until_ready(jax.device_put(arguments))

    def call() -> None:
        state[0], loss = train(state[0], *arguments)
        jax.block_until_ready((state[0], loss))

    call.lower = lambda: train.lower(state[0], *arguments)
    return call


def _applying(function, *arguments) -> Call:
    arguments = jax.block_until_ready(jax.device_put(arguments))

    def call() -> None:
        jax.block_until_ready(function(*arguments))

    call.lower = lambda: function.lower(*arguments)
    return call


def ae_step(sizes: Sizes) -> Call:
    config = load_config(sizes)
    steps = components.autoencoder(config).steps
    return _stepping(steps.create, steps.train, segment_noise(config, config.ae.batch_size))


def ae_windows_step(sizes: Sizes) -> Call:
    """The step from windows, which stand in for audio; so in all of these from spectrograms."""
    config = load_config(sizes)
    steps = autoencoder_steps(Autoencoder(), lambda x: x[:, None], n_samples=640)
    return _stepping(steps.create, steps.train, windows(config))


def _extractor(sizes: Sizes):
    """Steps that read spectrograms, flat, where others read audio."""
    config = load_config(sizes)
    given = spectrograms(config, sizes.batch)
    bins, frames = given.shape[1:]
    e = config.extractor
    model = Extractor(SECTIONS, feature_dim=e.feature_dim, dropout=e.dropout, dtype=e.dtype)
    steps = extractor_steps(
        model, lambda x: x.reshape(len(x), bins, frames), n_samples=bins * frames
    )
    return steps, given.reshape(len(given), -1)


def extractor_step(sizes: Sizes) -> Call:
    steps, given = _extractor(sizes)
    return _stepping(steps.create, steps.train, given, np.uint32(0), *labels(sizes.batch), CYCLE)


def extractor_forward(sizes: Sizes) -> Call:
    steps, given = _extractor(sizes)
    return _applying(steps.extract, steps.create(jax.random.key(0)).variables, given)


def extractor_audio_step(sizes: Sizes) -> Call:
    config = load_config(sizes)
    steps = components.extractor(config, n_sections=SECTIONS)
    given = segment_noise(config, sizes.batch), np.uint32(0), *labels(sizes.batch), CYCLE
    return _stepping(steps.create, steps.train, *given)


def embed(sizes: Sizes) -> Call:
    """a_G and f_D of a batch of segments."""
    config = load_config(sizes)
    net = components.autoencoder(config)
    steps = components.extractor(config, n_sections=SECTIONS)
    ae = net.steps.create(jax.random.key(0)).variables
    extractor = steps.create(jax.random.key(0)).variables
    audio = segment_noise(config, config.extractor.embed_batch_size)
    return lambda: jax.block_until_ready(
        (net.score(ae, audio), steps.extract(extractor, audio).feature)
    )


def _features(sizes: Sizes, part: str) -> Call:
    config = load_config(sizes)
    c, rate = config[part], config.data.sample_rate

    @jax.jit
    def features(audio):
        options = {}
        if part == "extractor":
            options = dict(
                power=c.power,
                scale=c.mel_scale,
                norm=c.mel_norm,
                divide_by_window=c.divide_by_window,
            )
        mel = mel_spectrogram(
            audio,
            sample_rate=rate,
            n_fft=c.n_fft,
            hop=c.window_hop,
            n_mels=c.n_mels,
            fmin=c.fmin,
            fmax=c.fmax,
            **options,
        )
        return decibel(mel) if part == "ae" else mel

    return _applying(features, noise(FEATURE_CLIPS, CLIP_SECONDS * rate))


def ae_together(sizes: Sizes) -> Call:
    """A step of seven machines' autoencoders as one program."""
    config = load_config(sizes)
    steps = components.autoencoder(config).steps
    audio = segment_noise(config, MACHINES, config.ae.batch_size)
    create = jax.jit(jax.vmap(lambda key: steps.create(key)))
    train = jax.jit(jax.vmap(steps.train), donate_argnums=0)
    return _stepping(lambda key: create(jax.random.split(key, MACHINES)), train, audio)


def ae_serial(sizes: Sizes) -> Call:
    """The same one after another."""
    config = load_config(sizes)
    steps = components.autoencoder(config).steps
    audio = jax.device_put(segment_noise(config, MACHINES, config.ae.batch_size))
    states = [steps.create(jax.random.key(i)) for i in range(MACHINES)]

    def call() -> None:
        for i in range(MACHINES):
            states[i], _ = steps.train(states[i], audio[i])
        jax.block_until_ready(states)

    return call


def _epoch(sizes: Sizes, resident: bool) -> Call:
    config = load_config(sizes)
    steps, segment = components.autoencoder(config).steps, components.segment_samples(config)
    samples = recordings(sizes, config)
    n, length = samples.shape
    store = AudioStore(
        samples.reshape(-1),
        np.arange(n) * length,
        np.full(n, length),
        np.zeros(n),
        np.full(n, 1e-3),
        ("",) * n,
    )
    every = [(store, row) for row in range(n)]
    plan = autoencoder_plan(every, seed=0, batch_size=config.ae.batch_size, segment=segment)
    if resident:
        library = upload(every, segment=segment)
        epoch = on_device(steps.train, library, every, plan, segment=segment)
    else:
        epoch = from_cache(steps.train, every, plan, segment=segment)
    state, count = [steps.create(jax.random.key(0))], -(-n // config.ae.batch_size)

    def call() -> None:
        state[0], _ = epoch(state[0], range(count), lambda _: None)
        jax.block_until_ready(state[0])

    return call


def matmul(sizes: Sizes) -> Call:
    """Two square matrices in the benchmark's number format."""
    a = jax.device_put(noise(*[matmul_size(jax.default_backend() == "cpu")] * 2))
    return _applying(jax.jit(lambda a, b: a @ b), a.astype(sizes.dtype), a.astype(sizes.dtype))


def matmul_size(cpu: bool) -> int:
    return 2048 if cpu else 8192


WORKLOADS = {
    "matmul": matmul,
    "AE step": ae_step,
    "AE step from windows": ae_windows_step,
    "extractor step": extractor_step,
    "extractor step from audio": extractor_audio_step,
    "extractor forward": extractor_forward,
    "embedding": embed,
    "features of the AE": functools.partial(_features, part="ae"),
    "features of the extractor": functools.partial(_features, part="extractor"),
    "AE of 7 machines, vmap": ae_together,
    "AE of 7 machines": ae_serial,
    "AE epoch, on device": functools.partial(_epoch, resident=True),
    "AE epoch": functools.partial(_epoch, resident=False),
}


def device() -> str:
    return f"jax {jax.__version__} on {jax.devices()[0].device_kind}"


def device_peak() -> float | None:
    """MiB that the device held at most; None on CPU, whose memory is the process's."""
    stats = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    return stats["peak_bytes_in_use"] / 2**20 if stats else None


def flops(name: str, sizes: Sizes) -> float:
    """FLOPs of one call, by XLA's count of the plain path's program before its optimisation.

    The plain path has no loops, of which XLA counts one turn only, and each backend's own rewriting
    doesn't change the count.
    """
    with plain_path():
        call = WORKLOADS[name](sizes)
        return float(call.lower().cost_analysis()["flops"])
