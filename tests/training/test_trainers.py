"""One training from end to end; what differs between host and device is in test_epochs."""

import numpy as np
import pytest
from made_clips import training_clips
from toy_models import toy_autoencoder, toy_extractor

from jax_dns.errors import InputError
from jax_dns.training.batches import Schedule, TrainingData
from jax_dns.training.trainers import train_model

SEGMENT = 40
SCHEDULE = Schedule(
    epochs=2, batch_size=8, validate_every=1, save_every=1, checkpoint="last", eval_batch_size=4
)


def test_both_kinds_are_trained_and_logged(tmp_path):
    data = TrainingData(training_clips("fan", 0), (training_clips("pump", 100),))
    for model in (toy_autoencoder(SEGMENT), toy_extractor(SEGMENT)):
        if model.scope == "target+outliers":  # the toy has three sections
            data = data._replace(target=training_clips("fan", 0, sections=(0, 1, 2)))
        options = dict(seed=0, segment=SEGMENT, schedule=SCHEDULE, title="fan")
        state = train_model(model, data, tmp_path / model.name, **options)
        assert int(state.step) > 0
        log = (tmp_path / model.name / "metrics.jsonl").read_text().splitlines()
        assert len(log) == 2 and all("valid_loss" in line for line in log)
        again = train_model(model, data, tmp_path / model.name, **options)
        np.testing.assert_array_equal(again.step, state.step)


def test_no_outliers_is_an_error(tmp_path):
    with pytest.raises(InputError, match="fan: no outlier clips"):
        train_model(
            toy_extractor(40),
            TrainingData(training_clips("fan", 0)),
            tmp_path,
            seed=0,
            segment=SEGMENT,
            schedule=SCHEDULE,
            title="fan",
        )
