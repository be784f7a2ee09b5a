"""What the two sides of `bench_training.py` have in common: sizes, and inputs drawn from a seed."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

FEATURE_CLIPS = 64  # ten-second clips that features are timed on
CLIP_SECONDS = 10
SECTIONS = 6
MACHINES = 7
SEVEN = f"AE of {MACHINES} machines"  # a task


class Sizes(NamedTuple):
    """Options of a benchmark, as they travel to the processes that are timed."""

    config: str  # a file as in configs/
    batch: int  # of the extractor's step and forward pass
    clips: int  # recordings of the autoencoder's epoch
    dtype: str  # "float32", or "bfloat16": extractor.dtype here, autocast in PyTorch
    folder: str  # for recordings, shared by the engines
    compiled: bool = False  # torch.compile


def load_config(sizes: Sizes) -> ConfigDict:
    """The config, with the benchmark's number format."""
    spec = importlib.util.spec_from_file_location("config", sizes.config)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.extractor.dtype = sizes.dtype
    return config


def noise(*shape: int) -> np.ndarray:
    """Normal numbers, float32."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def segment_noise(config: ConfigDict, *batch: int) -> np.ndarray:
    """Waveforms of a segment's length."""
    return noise(*batch, round(config.data.segment * config.data.sample_rate))


def spectrograms(config: ConfigDict, batch: int) -> np.ndarray:
    """Noise in the shape of the extractor's input, [batch, n_mels, frames]."""
    samples = round(config.data.segment * config.data.sample_rate)
    return noise(batch, config.extractor.n_mels, 1 + samples // config.extractor.window_hop)


def windows(config: ConfigDict) -> np.ndarray:
    """Noise in the shape of the autoencoder's input, [windows of a batch, n_mels * frames]."""
    c = config.ae
    samples = round(config.data.segment * config.data.sample_rate)
    count = 1 + samples // c.window_hop - c.frames + 1
    return noise(c.batch_size * count, c.n_mels * c.frames)


def labels(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """t^mac [batch], half of it outliers, and t^id [batch, SECTIONS]."""
    machine = np.repeat(np.float32([1, 0]), [batch - batch // 2, batch // 2])
    one_hot = np.eye(SECTIONS, dtype=np.float32)[np.arange(batch) % SECTIONS]
    return machine, one_hot * machine[:, None]


def recordings(sizes: Sizes, config: ConfigDict) -> np.memmap:
    """Ten-second recordings [clips, samples], int16, in a file as a training reads them."""
    path = Path(sizes.folder) / "recordings.dat"
    shape = (sizes.clips, CLIP_SECONDS * config.data.sample_rate)
    if not path.is_file():
        file = np.memmap(path, np.int16, "w+", shape=shape)
        for row in range(sizes.clips):
            file[row] = 1000 * np.random.default_rng(row).standard_normal(shape[1], np.float32)
        file.flush()
    return np.memmap(path, np.int16, "r", shape=shape)
