"""The sizes that both sides of the training benchmark share, and inputs drawn from a seed."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

N_FEATURE_CLIPS = 64  # ten-second clips that features are timed on
CLIP_SECONDS = 10
N_SECTIONS = 6
N_MACHINES = 7
SEVEN_AUTOENCODERS = f"AE of {N_MACHINES} machines"  # the name of a task


class Workload(NamedTuple):
    """What a timed process is to do; it travels as JSON."""

    config: str  # a file as in configs/
    batch: int  # of the extractor's step and forward pass
    n_clips: int  # recordings in the autoencoder's epoch
    folder: str  # for recordings, shared by the engines
    dtype: str = "float32"  # or "bfloat16": our extractor's dtype, autocast in PyTorch
    compiled: bool = False  # torch.compile


class MelSettings(NamedTuple):
    """A mel spectrogram, with librosa's names."""

    n_fft: int  # samples
    hop_length: int  # samples
    n_mels: int
    fmin: float  # Hz
    fmax: float  # Hz
    htk: bool
    norm: str | None


class Settings(NamedTuple):
    """The sizes of the paper's networks and trainings, as the config has them."""

    sample_rate: int  # Hz
    segment: int  # samples
    ae_mel: MelSettings
    ae_frames: int
    ae_batch: int
    ae_epochs: int
    extractor_mel: MelSettings
    extractor_batch: int
    extractor_epochs: int
    feature_dim: int
    dropout: float
    embedding_batch: int


def load_config(path: str, dtype: str = "float32") -> ConfigDict:
    """Reads a config file and sets the extractor's number format."""
    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.discriminative.dtype = dtype
    return config


def read_settings(path: str) -> Settings:
    """Reads the sizes from a config file."""
    config = load_config(path)
    data, generative, discriminative = config.data, config.generative, config.discriminative
    ae_mel, extractor_mel = (
        MelSettings(c.n_fft, c.hop_length, c.n_mels, c.fmin, c.fmax, htk, None if htk else "slaney")
        for c, htk in ((generative, False), (discriminative, discriminative.mel_scale == "htk"))
    )
    return Settings(
        data.sample_rate,
        round(data.segment_seconds * data.sample_rate),
        ae_mel,
        generative.frames,
        generative.batch_size,
        generative.epochs,
        extractor_mel,
        discriminative.batch_size,
        discriminative.epochs,
        discriminative.feature_dim,
        discriminative.dropout,
        discriminative.eval_batch_size,
    )


def noise(*shape: int) -> np.ndarray:
    """Draws normal numbers, float32."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def clip_noise(settings: Settings) -> np.ndarray:
    """Draws the ten-second waveforms that features are timed on, [clips, samples]."""
    return noise(N_FEATURE_CLIPS, CLIP_SECONDS * settings.sample_rate)


def spectrogram_noise(settings: Settings, batch: int) -> np.ndarray:
    """Draws noise in the shape of the extractor's input, [batch, mels, frames]."""
    mel = settings.extractor_mel
    return noise(batch, mel.n_mels, 1 + settings.segment // mel.hop_length)


def window_noise(settings: Settings) -> np.ndarray:
    """Draws noise in the shape of the autoencoder's input, [windows of a batch, frames * mels]."""
    mel, frames = settings.ae_mel, settings.ae_frames
    n_windows = 1 + settings.segment // mel.hop_length - frames + 1
    return noise(settings.ae_batch * n_windows, mel.n_mels * frames)


def labels(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns t^mac [batch], half of it outliers, and t^id [batch, sections]."""
    machine = np.repeat(np.float32([1, 0]), [batch - batch // 2, batch // 2])
    one_hot = np.eye(N_SECTIONS, dtype=np.float32)[np.arange(batch) % N_SECTIONS]
    return machine, one_hot * machine[:, None]


def recordings(workload: Workload, settings: Settings) -> np.memmap:
    """Maps ten-second recordings [clips, samples], int16, from a file as a training reads them."""
    path = Path(workload.folder) / "recordings.dat"
    shape = (workload.n_clips, CLIP_SECONDS * settings.sample_rate)
    if not path.is_file():
        file = np.memmap(path, np.int16, "w+", shape=shape)
        for row in range(workload.n_clips):
            file[row] = 1000 * np.random.default_rng(row).standard_normal(shape[1], np.float32)
        file.flush()
    return np.memmap(path, np.int16, "r", shape=shape)
