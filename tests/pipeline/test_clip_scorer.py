"""One recording at a time gets the scores and features that the run's own embedding gave it."""

import json

import numpy as np
import pytest

from jax_dns.data.decode import decode
from jax_dns.errors import InputError
from jax_dns.pipeline.clip_scorer import open_scorers

pytestmark = pytest.mark.slow


def test_scores_and_features_are_the_runs(finished, factory):
    scorers = open_scorers(finished)
    assert sorted(scorers) == ["fan", "valve"]
    scorer = scorers["fan"]
    segments = scorer.segments
    path = next((factory / "dev_data/fan").glob("source_test/*.wav"))
    rows = segments.clip == path.name
    samples = decode(path, scorer.audio_format)
    scores, features = scorer.score(samples, int(segments.section[rows][0]))
    np.testing.assert_allclose(scores, segments.score[rows], rtol=1e-4)
    np.testing.assert_allclose(features, segments.feature[rows], rtol=1e-3, atol=1e-4)
    long = np.tile(samples, 4)  # 15 segments: two batches
    scores, features = scorer.score(long, 0)
    assert len(scores) == len(features) == 15
    assert [*open_scorers(finished, machines=["valve"])] == ["valve"]
    assert scorer.model != scorers["valve"].model


def test_what_cannot_score_one_recording(workdir):
    with pytest.raises(InputError, match="seed: 5, expected one of 0"):
        open_scorers(workdir, seed=5)
    with pytest.raises(InputError, match="machines: saw, expected some of fan, valve"):
        open_scorers(workdir, machines=["saw"])
    config = json.loads((workdir / "config.json").read_text())
    config["data"]["standardise"] = "machine"
    (workdir / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="standardise is 'machine', expected 'recording'"):
        open_scorers(workdir)
