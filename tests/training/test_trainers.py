"""Batches of both trainings: what reaches the steps."""

import numpy as np
import pytest
from made_clips import training_clips

from jax_dns.data.audio_cache import AudioStore
from jax_dns.discriminative.serial_oe import ExtractorOutput
from jax_dns.errors import InputError
from jax_dns.training import trainers
from jax_dns.training.steps import AutoencoderSteps, ExtractorSteps, TrainState
from jax_dns.training.trainers import Schedule, center_crops, map_batches, random_crops

SCHEDULE = Schedule(
    epochs=2, batch_size=8, validate_every=1, save_every=1, keep="last", tensorboard=False
)


STATE = TrainState(0, {}, {}, None)


def create(key):
    return STATE


@pytest.fixture
def record(monkeypatch):
    """Runs the first epochs' steps without a network, as `fit` would."""
    calls = []

    def fake_fit(create, epoch, *, epochs, steps_per_epoch, validate, **_):
        state, _ = epoch(STATE, range(epochs * steps_per_epoch), lambda n: None)
        calls.append(("valid", validate(state)))
        return state

    monkeypatch.setattr(trainers, "fit", fake_fit)
    return calls


def test_extractor_batches_are_half_target_half_outliers(record, tmp_path):
    data = training_clips("fan", 0)
    others = [training_clips("pump", 100), training_clips("valve", 200)]

    def train(state, audio, seed, machine, section, cycle):
        record.append((audio, machine, section, cycle))
        return state, np.zeros(())

    def extract(variables, audio):
        n = len(audio)
        assert n == 4
        return ExtractorOutput(
            np.zeros((n, 2)), np.zeros(n, np.float32), np.zeros((n, 2), np.float32)
        )

    trainers.train_extractor(
        ExtractorSteps(create, train, extract),
        data,
        others,
        tmp_path,
        seed=0,
        segment=20,
        schedule=SCHEDULE,
        max_lr=1e-3,
        lambda_id=5.0,
        mask_outliers=False,
        embed_batch_size=4,
        title="fan",
    )
    *batches, (_, valid_loss) = record
    seen = []
    for audio, machine, section, _ in batches:
        assert audio.shape == (8, 20) and machine.tolist() == [1] * 4 + [0] * 4
        first = audio[:, 0]
        assert (first[:4] < 100).all() and (first[4:] >= 100).all()
        # Clips 0-9 are of section 0, 10-19 of section 3.
        np.testing.assert_array_equal(section[:4], np.eye(2)[(first[:4] >= 10).astype(int)])
        assert not section[4:].any()
        seen += first[:4].tolist()
    assert set(seen) == set(data.split.train.tolist())
    rates = [cycle.learning_rate for *_, cycle in batches]
    assert max(rates) > 5e-4 > rates[0] and rates[-1] < 1e-7  # one whole cycle
    assert valid_loss == pytest.approx(6 * np.log(2), rel=1e-5)  # of logits that are all zero


def test_autoencoder_batches_are_the_machines_own(record, tmp_path):
    data = training_clips("fan", 0)

    def train(state, audio):
        record.append(audio)
        return state, np.zeros(())

    trainers.train_autoencoder(
        AutoencoderSteps(create, train),
        lambda variables, audio: audio[:, 0],
        data,
        tmp_path,
        seed=0,
        segment=20,
        schedule=SCHEDULE,
        title="fan",
    )
    *batches, (_, valid_loss) = record
    per_epoch = np.concatenate([audio[:, 0] for audio in batches]).reshape(2, -1)
    for epoch in per_epoch:
        assert set(epoch) == set(data.split.train.tolist())
    assert valid_loss == pytest.approx(np.mean(data.split.valid))


def test_no_outliers_is_an_error(tmp_path):
    with pytest.raises(InputError, match="fan: no outlier clips"):
        trainers.train_extractor(
            ExtractorSteps(create, create, create),
            training_clips("fan", 0),
            [],
            tmp_path,
            seed=0,
            segment=20,
            schedule=SCHEDULE,
            max_lr=1e-3,
            lambda_id=5.0,
            mask_outliers=False,
            embed_batch_size=4,
            title="fan",
        )


def test_crops_and_middles():
    ramp = np.arange(100, dtype=np.float32)
    store = AudioStore(ramp, np.zeros(1, int), np.full(1, 100), np.zeros(1), np.ones(1), ("",))
    recordings = [(store, 0)] * 2
    got = random_crops(recordings, np.asarray([0.0, 0.999]), segment=20)
    assert got[:, 0].tolist() == [0, 80]
    assert center_crops(recordings, segment=20)[0, 0] == 40


def test_the_last_batch_is_filled_up_and_cut_off():
    sizes = []

    def double(x):
        sizes.append(len(x))
        return {"y": 2 * x}

    got = map_batches(double, np.arange(10), size=4)
    np.testing.assert_array_equal(got["y"], 2 * np.arange(10))
    assert sizes == [4, 4, 4]
