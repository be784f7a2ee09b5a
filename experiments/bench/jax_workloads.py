"""This project's side of the training benchmark: the same work as `torch_workloads.py`.

A workload makes its state and returns a call that does the work once and waits for the result.
"""

import functools

import jax
from inputs import Workload, clip_noise, noise, read_settings
from jax_trainings import (
    Call,
    ae_epoch,
    ae_serial,
    ae_step,
    ae_vmapped,
    ae_windows_step,
    build,
    extractor_audio_step,
    extractor_on_spectrograms,
    extractor_step,
)
from machine import jax_device, jax_peak_mib
from plain_networks import plain_path

from jax_dns.features import decibel, mel_spectrogram
from jax_dns.training.steps import initial_state, jitted_apply


def applying(function, *arguments) -> Call:
    """Returns a call of a compiled function on arguments that lie on the device."""
    arguments = jax.block_until_ready(jax.device_put(arguments))

    def call() -> None:
        jax.block_until_ready(function(*arguments))

    call.lower = lambda: function.lower(*arguments)
    return call


def extractor_forward(workload: Workload) -> Call:
    """Times the extractor's forward pass from spectrograms."""
    model, spectrograms = extractor_on_spectrograms(workload)
    return applying(jitted_apply(model), initial_state(model, 0).variables, spectrograms)


def embed(workload: Workload) -> Call:
    """Times a_G and f_D of a batch of segments, from the host."""
    settings = read_settings(workload.config)
    models = [build(workload, kind) for kind in ("generative", "discriminative")]
    variables = [initial_state(model, 0).variables for model in models]
    audio = noise(settings.embedding_batch, settings.segment)

    def call() -> None:
        jax.block_until_ready(
            [jitted_apply(model)(v, audio) for model, v in zip(models, variables)]
        )

    return call


def features(workload: Workload, network: str) -> Call:
    """Times the features of the autoencoder or the extractor."""
    settings = read_settings(workload.config)
    mel = settings.ae_mel if network == "AE" else settings.extractor_mel
    options = {}
    if network == "extractor":
        options = dict(
            power=1.0,
            scale="htk" if mel.htk else "slaney",
            norm=mel.norm or "none",
            divide_by_window=True,
        )

    @jax.jit
    def function(audio):
        spectrogram = mel_spectrogram(
            audio,
            sample_rate=settings.sample_rate,
            n_fft=mel.n_fft,
            hop=mel.hop_length,
            n_mels=mel.n_mels,
            fmin=mel.fmin,
            fmax=mel.fmax,
            **options,
        )
        return decibel(spectrogram) if network == "AE" else spectrogram

    return applying(function, clip_noise(settings))


def matmul(workload: Workload) -> Call:
    """Times the product of two square matrices in the workload's number format."""
    size = 2048 if jax.default_backend() == "cpu" else 8192
    matrix = jax.device_put(noise(size, size)).astype(workload.dtype)
    return applying(jax.jit(lambda a, b: a @ b), matrix, matrix)


WORKLOADS = {
    "matmul": matmul,
    "AE step": ae_step,
    "AE step from windows": ae_windows_step,
    "extractor step": extractor_step,
    "extractor step from audio": extractor_audio_step,
    "extractor forward": extractor_forward,
    "embedding": embed,
    "features of the AE": functools.partial(features, network="AE"),
    "features of the extractor": functools.partial(features, network="extractor"),
    "AE of 7 machines, vmap": ae_vmapped,
    "AE of 7 machines": ae_serial,
    "AE epoch, on device": functools.partial(ae_epoch, resident=True),
    "AE epoch": functools.partial(ae_epoch, resident=False),
}


def device() -> str:
    """Returns JAX's version and device."""
    return f"jax {jax.__version__} on {jax_device()}"


def device_peak() -> float | None:
    """Returns the most device memory held, in MiB; None on a CPU, where it is the process's."""
    return jax_peak_mib()


def count_flops(name: str, workload: Workload) -> float:
    """Counts the FLOPs of one call: XLA's count of the plain path before its optimisation.

    The plain path has no loops, of which XLA counts one turn only, and the count does not depend on
    how a backend rewrites the program.
    """
    with plain_path():
        call = WORKLOADS[name](workload)
        return float(call.lower().cost_analysis()["flops"])
