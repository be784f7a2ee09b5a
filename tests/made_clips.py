"""Recordings that tests make in memory."""

from pathlib import Path

import numpy as np

from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.clips import Clip
from jax_dns.data.sampler import split_clips
from jax_dns.training.batches import TrainingClips


def training_clips(machine, value, sections=(0, 3), n=10, length=50):
    """Recordings that are constant but for their number, so that crops tell where they're from."""
    clips = [
        Clip(Path(), f"{s}_{i}", machine, s, "source", "train", 0)
        for s in sections
        for i in range(n)
    ]
    total = len(clips)
    samples = np.repeat(value + np.arange(total, dtype=np.float32), length)
    store = AudioStore(
        samples,
        np.arange(total) * length,
        np.full(total, length),
        np.zeros(total),
        np.ones(total),
        tuple(map(str, range(total))),
    )
    return TrainingClips(clips, [(store, i) for i in range(total)], split_clips(clips, seed=0))
