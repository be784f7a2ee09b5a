"""The batches of a training, their labels, and its validation."""

import numpy as np
import pytest
from made_clips import training_clips
from toy_models import toy_autoencoder, toy_extractor

from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.crops import read_segments
from jax_dns.training.batches import (
    Schedule,
    TrainingData,
    batch_plan,
    center_crops,
    join_clips,
    map_batches,
    random_crops,
    training_recordings,
    validation,
)
from jax_dns.training.steps import TrainState
from jax_dns.types import GradientModel

SEGMENT = 20
SCHEDULE = Schedule(
    epochs=2, batch_size=8, validate_every=1, save_every=1, checkpoint="last", eval_batch_size=4
)
STATE = TrainState(0, {}, {}, None)


def batches(model, data, n):
    """The audio and the arguments of the first n steps."""
    recordings = training_recordings(model, data)
    plan = batch_plan(model, data, seed=0, schedule=SCHEDULE, segment=SEGMENT)
    for number in range(n):
        spec = plan(number)
        audio = read_segments([recordings[i] for i in spec.row], spec.start, segment=SEGMENT)
        yield audio, *spec.rest


def test_batches_with_outliers_are_half_target_half_outliers():
    target = training_clips("fan", 0)
    data = TrainingData(target, (training_clips("pump", 100), training_clips("valve", 200)))
    model = toy_extractor(40, max_lr=1e-3)
    steps = 2 * -(-len(target.split.train) // 4)
    seen, rates = [], []
    for audio, seed, is_target, section, labels, rate in batches(model, data, steps):
        assert audio.shape == (8, SEGMENT) and is_target.tolist() == [1] * 4 + [0] * 4
        first = audio[:, 0]
        assert (first[:4] < 100).all() and (first[4:] >= 100).all()
        # Clips 0-9 are of section 0, 10-19 of section 3.
        np.testing.assert_array_equal(section[:4], np.eye(2)[(first[:4] >= 10).astype(int)])
        assert not section[4:].any()
        np.testing.assert_array_equal(labels["section"][:4], section[:4].argmax(1))
        assert (labels["section"][4:] == -1).all()
        np.testing.assert_array_equal(labels["machine"], first.astype(int) // 100)
        assert not labels["domain"].any() and seed == 0
        seen += first[:4].tolist()
        rates.append(rate["learning_rate"])
    assert set(seen) == set(target.split.train.tolist())
    assert max(rates) > 5e-4 > rates[0] and rates[-1] < 1e-7  # one whole cycle


def test_batches_of_the_target_alone():
    data = TrainingData(training_clips("fan", 0))
    steps = 2 * -(-len(data.target.split.train) // 8)
    seen = [audio[:, 0] for audio, *_ in batches(toy_autoencoder(SEGMENT), data, steps)]
    for epoch in np.concatenate(seen).reshape(2, -1):
        assert set(epoch) == set(data.target.split.train.tolist())


def model_of(apply, **fields):
    """A model of which only the validation is used."""
    return GradientModel("m", fields.pop("scope", "target"), None, None, apply, None, **fields)


def test_scores_validate_a_generative_model():
    data = TrainingData(training_clips("fan", 0))
    validate = validation(
        model_of(lambda variables, audio: audio[:, 0]), data, segment=SEGMENT, schedule=SCHEDULE
    )
    assert validate(STATE) == pytest.approx(np.mean(data.target.split.valid))


def test_half_of_the_validation_clips_are_outliers():
    data = TrainingData(
        training_clips("fan", 0), (training_clips("pump", 100), training_clips("valve", 200))
    )
    model = model_of(
        None, scope="target+outliers", validation_loss=lambda v, batch: batch.is_target
    )
    validate = validation(model, data, segment=SEGMENT, schedule=SCHEDULE)
    assert validate(STATE) == pytest.approx(0.5)


def test_all_machine_types_at_once():
    parts = [training_clips(name, value) for name, value in (("fan", 0), ("pump", 100))]
    joined = join_clips(parts)
    assert len(joined.clips) == sum(len(part.clips) for part in parts)
    fan, pump = (len(part.split.train) for part in parts)
    assert joined.split.train[:fan].tolist() == parts[0].split.train.tolist()
    assert joined.split.train[fan:].tolist() == (parts[1].split.train + 20).tolist()
    data = TrainingData(joined)
    assert dict(data.n_labels) == {"machine": 2, "section": 4, "domain": 2}
    model = toy_autoencoder(SEGMENT)._replace(scope="all")
    for audio, _, is_target, section, labels, _ in batches(model, data, 3):
        first = audio[:, 0]
        assert is_target.all()
        expected = 2 * (first >= 100) + (first % 100 >= 10)
        np.testing.assert_array_equal(section.argmax(1), expected)
        np.testing.assert_array_equal(labels["machine"], first >= 100)
    assert pump


def test_random_and_center_crops():
    ramp = np.arange(100, dtype=np.float32)
    store = AudioStore(ramp, np.zeros(1, int), np.full(1, 100), np.zeros(1), np.ones(1), ("",))
    recordings = [(store, 0)] * 2
    crops = random_crops(recordings, np.asarray([0.0, 0.999]), segment=20)
    assert crops[:, 0].tolist() == [0, 80]
    assert center_crops(recordings, segment=20)[0, 0] == 40


def test_the_last_batch_is_padded_and_cut():
    sizes = []

    def double(x):
        sizes.append(len(x))
        return {"y": 2 * x}

    got = map_batches(double, np.arange(10), size=4)
    np.testing.assert_array_equal(got["y"], 2 * np.arange(10))
    assert sizes == [4, 4, 4]
