"""Models fitted without gradients: what they are fitted on, and their file."""

import numpy as np
import pytest
from made_clips import training_clips

from jax_dns.errors import InputError
from jax_dns.training.fitted import SegmentBatches, fit_model, read_fitted
from jax_dns.types import FittedModel

SIZES = dict(segment=20, hop=15, batch_size=4)  # three segments in each recording of 50


def test_batches_are_all_segments_in_order_and_can_be_read_again():
    data = training_clips("fan", 0)
    batches = SegmentBatches(data.recordings[:3], [False, True, False], **SIZES)
    for _ in range(2):
        audio = list(batches)
        assert [len(batch) for batch in audio] == [4, 4, 1]
        # A recording's samples are its number.
        np.testing.assert_array_equal(np.concatenate(audio)[:, 0], np.repeat([0, 1, 2], 3))
    np.testing.assert_array_equal(batches.is_target_domain, np.repeat([False, True, False], 3))


def fit_means(batches, seed):
    audio = np.concatenate(list(batches))
    return {"mean": audio.mean(), "target": batches.is_target_domain.sum(), "seed": seed}


def test_one_model_for_each_section_on_its_training_clips(tmp_path):
    data = training_clips("fan", 0)
    clips = [
        clip._replace(domain="target" if i < 2 else "source") for i, clip in enumerate(data.clips)
    ]
    data = data._replace(clips=clips)
    model = FittedModel("Mean", fit_means, None, per_section=True)
    fit_model(model, data, tmp_path, seed=7, **SIZES)
    fitted = read_fitted(tmp_path)
    assert fitted.keys() == {"0", "3"}
    train = data.split.train
    for section, rows in (("0", train[train < 10]), ("3", train[train >= 10])):
        np.testing.assert_allclose(fitted[section]["mean"], rows.mean(), rtol=1e-6)
        assert fitted[section]["target"] == 3 * (rows < 2).sum() and fitted[section]["seed"] == 7
    fit_model(model._replace(per_section=False), data, tmp_path, seed=7, **SIZES)
    np.testing.assert_allclose(read_fitted(tmp_path)[""]["mean"], train.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3.0, "fit returned float"),
        ({"a": np.nan}, "a isn't a finite array"),
        ({"a": None}, "a isn"),
    ],
)
def test_what_a_model_must_return(tmp_path, value, message):
    model = FittedModel("Mean", lambda batches, seed: value, None)
    with pytest.raises(InputError, match=f"component Mean: {message}"):
        fit_model(model, training_clips("fan", 0), tmp_path, seed=0, **SIZES)
