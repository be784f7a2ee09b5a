"""Generated scores and features at every scale that float32 holds, against Eq. 7 in float64."""

import numpy as np
import pytest
from smoothing_oracle import check

from jax_dns import neighbors, smooth, smooth_queries

N, D, K = 60, 4, 5


def features_and_groups(rng):
    """Features in up to three groups, far apart or not, some with one row that outweighs all."""
    groups = np.sort(rng.integers(0, rng.integers(1, 4), N))
    features = rng.normal(size=(N, D)) + groups[:, None] * 10.0 ** rng.uniform(0, 4)
    if rng.random() < 0.3:
        features[rng.integers(N)] *= 10.0 ** rng.uniform(0, 5)
    if rng.random() < 0.2:
        features[rng.integers(N, size=10)] = features[0]  # the same row several times
    return (features * 10.0 ** rng.uniform(-30, 30)).astype(np.float32), groups


def try_numbers(seed):
    rng = np.random.default_rng(seed)
    features, groups = features_and_groups(rng)
    assert np.isfinite(features).all()
    scores = rng.normal(size=N) * 10.0 ** rng.uniform(-40, 37) + rng.choice([0.0, 1.0, 1e8])
    scores = scores.astype(rng.choice([np.float32, np.float64]))
    pool = rng.random(N) < 0.8
    sizes = [int((pool & (groups == group)).sum()) for group in np.unique(groups)]
    k, metric = min(K, *sizes), str(rng.choice(["euclidean", "cosine"]))
    options = dict(groups=groups, pool=pool, metric=metric)
    if k < 1:
        return
    got = smooth(scores, features, k, **options)
    assert got.dtype == scores.dtype, seed
    check(got, scores, features, k, **options)
    np.testing.assert_array_equal(smooth(scores, features, 1, **options), scores, err_msg=str(seed))
    power = smooth(scores, features * np.float32(2.0**-3), k, **options)
    np.testing.assert_array_equal(power, got, err_msg=str(seed))
    again = smooth_queries(scores, features, scores, features, k, query_groups=groups, **options)
    queries = (scores, features, groups)
    check(again, scores, features, k, queries=queries, **options)
    indices, distances = neighbors(features, 3)
    assert (indices[:, 0] == np.arange(N)).all() and (np.diff(distances) >= 0).all(), seed


def test_numbers():
    for seed in range(6):
        try_numbers(seed)


@pytest.mark.soak
@pytest.mark.parametrize("block", range(4))
def test_many_numbers(block):
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        try_numbers(seed)
