"""PyTorch's side of the training benchmark, and librosa's: the same work as `jax_workloads.py`.

No gradient where none is needed, one copy of the window and of the mel bank. `Workload.compiled`
passes the network or the features through `torch.compile`; bfloat16 is autocast.
"""

import functools

import librosa
import numpy as np
import torch
from inputs import (
    MelSettings,
    Workload,
    clip_noise,
    noise,
    read_settings,
    spectrogram_noise,
)
from machine import torch_device, torch_peak_mib
from torch_networks import DEVICE, ae_features, autoencoder, extractor_features, new_extractor
from torch_runtime import Call, autocast, maybe_compile, synchronised, to_device
from torch_trainings import (
    ae_epoch,
    ae_serial,
    ae_step,
    ae_windows_step,
    extractor_audio_step,
    extractor_step,
)


def extractor_forward(workload: Workload) -> Call:
    """Times the extractor's forward pass from spectrograms."""
    settings = read_settings(workload.config)
    spectrograms = to_device(spectrogram_noise(settings, workload.batch))
    net = maybe_compile(new_extractor(settings).eval(), workload)

    def forward() -> None:
        with torch.inference_mode(), autocast(workload):
            net(spectrograms)

    return synchronised(forward)


def embed(workload: Workload) -> Call:
    """Times a_G and f_D of a batch of segments."""
    settings = read_settings(workload.config)
    log_mel, mel = ae_features(settings), extractor_features(settings)
    ae, extractor = autoencoder().eval(), new_extractor(settings).eval()
    audio = to_device(noise(settings.embedding_batch, settings.segment))

    @functools.partial(maybe_compile, workload=workload)
    def score_and_embed(audio):
        x = log_mel.windows(audio, settings.ae_frames)
        score = (x - ae(x)).square().mean(-1).reshape(len(audio), -1).mean(-1)
        spectrograms = mel(audio)
        with autocast(workload):
            return score, extractor(spectrograms)[0]

    def forward() -> None:
        with torch.inference_mode():
            score_and_embed(audio)

    return synchronised(forward)


def features(workload: Workload, network: str) -> Call:
    """Times the features of the autoencoder or the extractor."""
    settings = read_settings(workload.config)
    mel = ae_features(settings) if network == "AE" else extractor_features(settings)
    mel, audio = maybe_compile(mel, workload), to_device(clip_noise(settings))

    def call() -> None:
        with torch.inference_mode():
            mel(audio)

    return synchronised(call)


def librosa_features(workload: Workload, network: str) -> Call:
    """Times librosa's features, clip by clip."""
    settings = read_settings(workload.config)
    mel: MelSettings = settings.ae_mel if network == "AE" else settings.extractor_mel
    audio = clip_noise(settings)
    options = dict(pad_mode="reflect", power=2.0 if network == "AE" else 1.0)

    def call() -> None:
        for clip in audio:
            spectrogram = librosa.feature.melspectrogram(
                y=clip, sr=settings.sample_rate, **mel._asdict(), **options
            )
            if network == "AE":
                10 * np.log10(np.maximum(spectrogram, 2.2e-16))

    return call


def matmul(workload: Workload) -> Call:
    """Times the product of two square matrices in the workload's number format."""
    size = 2048 if DEVICE == "cpu" else 8192
    matrix = to_device(noise(size, size)).to(getattr(torch, workload.dtype))
    return synchronised(lambda: matrix @ matrix)


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
    "features of the AE, librosa": functools.partial(librosa_features, network="AE"),
    "features of the extractor, librosa": functools.partial(librosa_features, network="extractor"),
    "AE of 7 machines": ae_serial,
    "AE epoch": ae_epoch,
}


def device() -> str:
    """Returns PyTorch's version and device."""
    return f"torch {torch.__version__} on {torch_device()}"


def device_peak() -> float | None:
    """Returns the most GPU memory held, in MiB; None on a CPU, where it is the process's."""
    return torch_peak_mib()
