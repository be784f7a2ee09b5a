"""Histories in files, in orders that a sample of their rows could take for something else."""

import jax.numpy as jnp
import numpy as np
import pytest
from smoothing_oracle import check

from jax_dns import smooth_queries
from jax_dns.smoothing import streaming, validation
from jax_dns.smoothing.streaming import MEAN_ROWS, sample_mean


def periodic(rng, n, d, *, far, offset):
    """Every row that equal steps would sample lies `far` from all others, all at `offset`."""
    features = rng.normal(size=(n, d)).astype(np.float32) + np.float32(offset)
    features[:: -(-n // MEAN_ROWS)] += np.float32(far)
    return features


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("kind", ["periodic", "sorted", "one far"])
def test_the_origin_is_near_the_mean(rng, kind, offset):
    features = periodic(rng, 20_000, 8, far=30 * (kind == "periodic"), offset=offset)
    if kind == "sorted":
        features = features[np.argsort(features[:, 0])]
    if kind == "one far":
        features[777] += 1e4
    mean = features.mean(0, dtype=np.float64)
    far = np.linalg.norm(features - mean, axis=1).max()
    origin = sample_mean(features, metric="euclidean", dtype=jnp.dtype("float32"))
    assert np.linalg.norm(origin[0] - mean) < 0.05 * far


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_exact_in_hostile_orders_and_far_from_the_origin(
    rng, tmp_path, monkeypatch, offset, metric
):
    n, d = 9_000, 16
    features = periodic(rng, n, d, far=4, offset=offset)
    scores, new_scores = rng.normal(size=n), rng.normal(size=20)
    new = features[::450] + (0.1 * rng.normal(size=(20, d))).astype(np.float32)
    file = np.memmap(tmp_path / "features", np.float32, "w+", shape=features.shape)
    file[:] = features
    monkeypatch.setattr(validation, "is_streamed", lambda features: True)
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 4 * d * 2_000)
    for k in (2, 300):
        got = smooth_queries(new_scores, new, scores, file, k, metric=metric)
        queries = new_scores, new, np.zeros(20, int)
        check(got, scores, features, k, metric=metric, queries=queries)
