"""Trainings in one program end where those trained one by one do."""

import json

import jax
import numpy as np
import pytest
from made_clips import training_clips
from toy_models import toy_autoencoder

from jax_dns.data.device_cache import upload
from jax_dns.training.batches import Schedule, TrainingClips, TrainingData, random_crops
from jax_dns.training.compiler_options import compiler_options
from jax_dns.training.epochs import compiled_scan
from jax_dns.training.loop import restore_trained
from jax_dns.training.steps import compile_step, create_state, jitted_apply
from jax_dns.training.trainers import FROM_HOST, BatchSource, train_model
from jax_dns.training.vmapped import Run, train_vmapped

SEGMENT = 400  # twenty windows: BatchNorm of few amplifies rounding
SCHEDULE = Schedule(epochs=4, batch_size=8, validate_every=2, save_every=2, checkpoint="last")
MODEL = toy_autoencoder(SEGMENT)


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
        recordings = [(store, i) for i in range(2 * n)]
        out.append(TrainingData(TrainingClips(clips.clips, recordings, clips.split)))
    return out


@pytest.mark.parametrize("on_device", [False, True])
def test_vmapped_is_one_by_one(data, tmp_path, on_device):
    recordings = [recording for one in data for recording in one.target.recordings]
    source = BatchSource(upload(recordings, segment=SEGMENT)) if on_device else FROM_HOST
    options = dict(segment=SEGMENT, schedule=SCHEDULE, title="t")
    runs = []
    for i, (one, seed) in enumerate([(data[0], 0), (data[1], 0), (data[1], 1)]):
        alone = tmp_path / f"alone{i}"
        train_model(MODEL, one, alone, seed=seed, **options)
        runs.append((Run(one, seed, tmp_path / f"run{i}"), alone))
    train_vmapped(MODEL, [run for run, _ in runs], tmp_path / "all", source=source, **options)
    like = jax.eval_shape(lambda key: create_state(MODEL, key), jax.random.key(0))
    score = jitted_apply(MODEL)
    for run, alone in runs:
        one, other = restore_trained(alone, like), restore_trained(run.folder, like)
        assert int(one.step) == int(other.step)
        # Not the parameters: a bias before BatchNorm has no gradient but rounding, which Adam
        # makes into steps of full size. In training that changes nothing; here the running mean,
        # which lags behind, lets a little of it through.
        recordings = run.data.target.recordings
        audio = random_crops(recordings, np.zeros(len(recordings)), segment=SEGMENT)
        np.testing.assert_allclose(
            score(one.variables, audio), score(other.variables, audio), rtol=1e-2
        )
        logs = [
            [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
            for folder in (alone, run.folder)
        ]
        for a, b in zip(*logs, strict=True):
            assert a.keys() - {"clips_per_second"} == b.keys()
            if a["epoch"] == 1:  # rounding grows with the steps, and with the processor
                assert b["loss"] == pytest.approx(a["loss"], rel=1e-5)


def test_no_program_takes_compiler_options_within_another(data, tmp_path, monkeypatch):
    """JAX refuses them there; on a CPU there are none, so a GPU is pretended."""
    for cached in (compiler_options, compile_step, compiled_scan):
        cached.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    one = data[0]
    source = BatchSource(upload(one.target.recordings, segment=SEGMENT))
    options = dict(segment=SEGMENT, schedule=SCHEDULE, title="t", source=source)
    train_model(MODEL, one, tmp_path / "alone", seed=0, **options)
    runs = [Run(one, seed, tmp_path / f"run{seed}") for seed in (0, 1)]
    train_vmapped(MODEL, runs, tmp_path / "all", **options)
    for cached in (compiler_options, compile_step, compiled_scan):
        cached.cache_clear()
