"""Autoencoders trained as one program end where those trained one by one do."""

import json

import jax
import numpy as np
import pytest
from made_clips import training_clips

from jax_dns.data.device_cache import upload
from jax_dns.generative.autoencoder import Autoencoder
from jax_dns.training.loop import restore_trained
from jax_dns.training.steps import autoencoder_steps
from jax_dns.training.trainers import (
    FROM_CACHE,
    BatchSource,
    Schedule,
    TrainingClips,
    random_crops,
    train_autoencoder,
)
from jax_dns.training.vmapped import Run, train_together

SEGMENT = 400  # twenty windows: BatchNorm of few amplifies rounding
SCHEDULE = Schedule(
    epochs=4, batch_size=8, validate_every=2, save_every=2, keep="last", tensorboard=False
)
STEPS = autoencoder_steps(
    Autoencoder(), lambda audio: audio.reshape(len(audio), -1, 20), n_samples=SEGMENT
)


def score(variables, audio):
    windows = audio.reshape(-1, 20)
    out = Autoencoder().apply(variables, windows, train=False)
    return ((out - windows) ** 2).mean(1).reshape(len(audio), -1).mean(1)


@pytest.fixture
def data(rng):
    return small_data(rng)


def small_data(rng):
    """Two machine types of different sizes; recordings of noise."""
    out = []
    for name, n in (("fan", 10), ("pump", 14)):
        clips = training_clips(name, 0, n=n, length=500)
        store = clips.recordings[0][0]
        store = store._replace(samples=rng.normal(size=len(store.samples)).astype(np.float32))
        out.append(TrainingClips(clips.clips, [(store, i) for i in range(2 * n)], clips.split))
    return out


@pytest.mark.parametrize("resident", [False, True])
def test_together_is_one_by_one(data, tmp_path, resident):
    every = [recording for clips in data for recording in clips.recordings]
    feed = BatchSource(upload(every, segment=SEGMENT)) if resident else FROM_CACHE
    options = dict(segment=SEGMENT, schedule=SCHEDULE, title="t")
    runs = []
    for i, (clips, seed) in enumerate([(data[0], 0), (data[1], 0), (data[1], 1)]):
        alone = tmp_path / f"alone{i}"
        train_autoencoder(STEPS, score, clips, alone, seed=seed, **options)
        runs.append((Run(clips, seed, tmp_path / f"run{i}"), alone))
    train_together(
        STEPS, score, [run for run, _ in runs], tmp_path / "together", feed=feed, **options
    )
    like = jax.eval_shape(STEPS.create, jax.random.key(0))
    for run, alone in runs:
        one, other = restore_trained(alone, like), restore_trained(run.folder, like)
        assert int(one.step) == int(other.step)
        # Not the parameters: a bias before BatchNorm has no gradient but rounding, which Adam
        # makes into steps of full size. In training that changes nothing; here the running mean,
        # which lags behind, lets a little of it through.
        heard = random_crops(
            run.data.recordings, np.zeros(len(run.data.recordings)), segment=SEGMENT
        )
        np.testing.assert_allclose(
            score(one.variables, heard), score(other.variables, heard), rtol=1e-2
        )
        logs = [
            [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
            for folder in (alone, run.folder)
        ]
        for a, b in zip(*logs, strict=True):
            assert a.keys() - {"clips_per_second"} == b.keys()
            # Rounding grows with the steps: 1e-6 in the first epoch.
            assert b["loss"] == pytest.approx(a["loss"], rel=1e-5 if a["epoch"] == 1 else 1e-3)
            if "valid_loss" in a:
                assert b["valid_loss"] == pytest.approx(a["valid_loss"], rel=1e-2)
