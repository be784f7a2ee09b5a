"""Histories that stay in their files."""

import numpy as np
import pytest
from smoothing_oracle import check

from jax_dns import smooth_queries
from jax_dns.smoothing import routes, streaming
from jax_dns.smoothing.feature_space import to_frame
from jax_dns.smoothing.streaming import SAMPLED_ROWS, sample_frames
from jax_dns.smoothing.validation import validate_inputs


@pytest.fixture
def streamed(monkeypatch, tmp_path):
    """Makes a history that is read in chunks of some rows."""
    monkeypatch.setattr(routes, "is_streamed", lambda inputs: True)

    def to_file(features, rows):
        monkeypatch.setattr(streaming, "CHUNK_BYTES", 4 * features.shape[1] * rows)
        file = np.memmap(tmp_path / "features", np.float32, "w+", shape=features.shape)
        file[:] = features
        return file

    return to_file


def periodic(rng, n, d, *, far, offset):
    """Every row that equal steps would sample lies `far` from all others, all at `offset`."""
    features = rng.normal(size=(n, d)).astype(np.float32) + np.float32(offset)
    features[:: -(-n // SAMPLED_ROWS)] += np.float32(far)
    return features


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("kind", ["periodic", "sorted", "one far"])
def test_the_origin_is_near_the_mean(rng, kind, offset):
    features = periodic(rng, 20_000, 8, far=30 * (kind == "periodic"), offset=offset)
    if kind == "sorted":
        features = features[np.argsort(features[:, 0])]
    if kind == "one far":
        features[777] += 1e4
    inputs = validate_inputs(
        features[:, 0], features, (2,), groups=None, pool=None, metric="euclidean"
    )
    frame = sample_frames(inputs, np.zeros(20_000, int), 1)
    in_frame = to_frame(features, type(frame)(*(x[0] for x in frame))).astype(np.float64)
    assert np.linalg.norm(in_frame.mean(0)) < 0.05 * np.linalg.norm(in_frame, axis=1).max()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_exact_in_hostile_orders_and_far_from_the_origin(rng, streamed, offset, metric):
    n, d = 9_000, 16
    features = periodic(rng, n, d, far=4, offset=offset)
    scores, new_scores = rng.normal(size=n), rng.normal(size=20)
    new = features[::450] + (0.1 * rng.normal(size=(20, d))).astype(np.float32)
    file = streamed(features, 2_000)
    for k in (2, 300):
        got = smooth_queries(new_scores, new, scores, file, k, metric=metric)
        queries = new_scores, new, np.zeros(20, int)
        check(got, scores, features, k, metric=metric, queries=queries)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_exact_in_groups_that_lie_apart_and_pools_at_any_scale(rng, streamed, scale):
    features = rng.normal(size=(2_000, 16))
    groups, new_groups = rng.integers(0, 2, 2_000), rng.integers(0, 2, 50)
    features[groups == 1] += 1e3
    new = rng.normal(size=(50, 16)) + 1e3 * new_groups[:, None]
    features, new = ((x * scale).astype(np.float32) for x in (features, new))
    scores, new_scores, pool = 1e8 + rng.normal(size=2_000), 1e8 + rng.normal(size=50), None
    pool = rng.random(2_000) < 0.8
    options = dict(groups=groups, query_groups=new_groups, pool=pool)
    got = smooth_queries(new_scores, new, scores, streamed(features, 300), 100, **options)
    check(got, scores, features, 100, groups, pool, queries=(new_scores, new, new_groups))


def test_invalid_rows_are_found_in_the_file(rng, streamed):
    file = streamed(rng.normal(size=(700, 3)).astype(np.float32), 300)
    file[699, 1] = np.nan
    new = np.zeros(2), np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="features: row 699 holds nan"):
        smooth_queries(*new, np.zeros(700), file, 100)


def test_a_small_file_is_smoothed_in_memory(rng, tmp_path):
    features = rng.normal(size=(700, 3)).astype(np.float32)
    file = np.memmap(tmp_path / "features", np.float32, "w+", shape=features.shape)
    file[:] = features
    new = np.zeros(2), np.ones((2, 3), np.float32)
    history = np.arange(700.0)
    np.testing.assert_array_equal(
        smooth_queries(*new, history, file, 9), smooth_queries(*new, history, features, 9)
    )
