"""The GPU's path for plain items; without a GPU, Pallas interprets its kernels."""

import jax.numpy as jnp
import numpy as np
import pytest
from smoothing_oracle import check

from jax_dns.smoothing import api
from jax_dns.smoothing.engine import gpu_items, gpu_plan

N, D = 300, 8


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Rows of more than 128 items get a threshold from a sample of 128."""
    for name, value in dict(WHOLE_ROW=128, SAMPLES=(128,), BLOCK_ROWS=64).items():
        monkeypatch.setattr(gpu_plan, name, value)


@pytest.fixture
def as_on_gpu(monkeypatch, engine):
    """Arrays count as a GPU's; returns the numbers of calls that were smoothed as on a GPU."""
    calls = []

    def count(*arrays, of=gpu_items.smooth_arrays, **options):
        calls.append(len(arrays[1]))
        return of(*arrays, **options)

    monkeypatch.setattr(gpu_items, "has_gpu", lambda: True)
    monkeypatch.setattr(gpu_items, "runs_on_gpu", lambda *arrays: True)
    monkeypatch.setattr(gpu_items, "smooth_arrays", count)
    return calls


def problem(rng, n=N):
    centres = rng.normal(size=(5, D))
    features = 3 + centres[rng.integers(0, 5, n)] + 0.5 * rng.normal(size=(n, D))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("n", [100, N - 1, N])
def test_is_exact(rng, as_on_gpu, monkeypatch, n, metric):
    monkeypatch.setattr(gpu_items, "DIVIDED_BYTES", (4 * D * (N - 2), 2**26))
    scores, features = problem(rng, n)
    ks = (12, 1, 7)
    got = api.smooth_grid(scores, features, ks, metric=metric)
    assert as_on_gpu == [n] and isinstance(got, np.ndarray)
    for k, row in zip(ks, got):
        check(row, scores, features, k, metric=metric)


def test_gives_each_type_back(rng, as_on_gpu):
    scores, features = problem(rng)
    expected = api.smooth(scores, features, 12)
    got = api.smooth(scores.astype(np.float64), features.astype(np.float64), 12)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, expected)
    got = api.smooth(jnp.asarray(scores), features, 12)
    assert isinstance(got, jnp.ndarray) and got.shape == (N,)
    np.testing.assert_array_equal(got, expected)
    assert len(as_on_gpu) == 3


def test_other_n_of_the_same_sizes_share_the_program(rng, as_on_gpu):
    api.smooth(*problem(rng, N - 10), 12)
    size = gpu_items._smooth_prepared._cache_size()
    api.smooth(*problem(rng, N - 9), 13)
    assert gpu_items._smooth_prepared._cache_size() == size


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("scores", np.nan, "scores: row 3 holds nan, expected finite values"),
        ("features", np.inf, "features: row 3 holds inf, expected finite values"),
        ("features", 1e300, "features: row 3 holds inf, expected finite values"),
        ("features", 0, r"features: row 3 is zero, which has no direction \(metric cosine\)"),
    ],
)
def test_invalid_values_raise_as_elsewhere(rng, as_on_gpu, name, value, message):
    arrays = dict(zip(("scores", "features"), problem(rng)))
    arrays[name] = arrays[name].astype(np.float64)
    arrays[name][3] = value
    with pytest.raises(ValueError, match=message):
        api.smooth(**arrays, k=12, metric="cosine" if value == 0 else "euclidean")
    assert as_on_gpu == ([N] if name == "features" else [])


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(k=N + 1), f"k: {N + 1}, expected at most {N}: item 0 has {N - 1} candidates"),
        (dict(k=0), "k: 0, expected a whole number of at least 1"),
        (dict(k=2.0), "k: 2.0, expected a whole number of at least 1"),
        (dict(metric="taxicab"), "metric: 'taxicab', expected one of euclidean, cosine"),
        (dict(scores=np.zeros(7)), "features: shape .* expected 7 rows as scores has"),
        (dict(features=np.zeros((N, 2), bool)), "features: .* expected 2 dimensions, numbers"),
        (dict(features=np.zeros((N, 0))), "features: .* expected at least one row and one column"),
    ],
)
def test_invalid_arguments_raise_as_elsewhere(rng, as_on_gpu, change, message):
    arrays = dict(zip(("scores", "features"), problem(rng)))
    with pytest.raises(ValueError, match=message):
        api.smooth(**(arrays | dict(k=12) | change))
    assert as_on_gpu == []


def test_groups_and_large_k_take_the_ordinary_path(rng, as_on_gpu):
    scores, features = problem(rng)
    groups = np.zeros(N, np.int32)
    np.testing.assert_allclose(
        api.smooth(scores, features, 12, groups=groups), api.smooth(scores, features, 12), atol=1e-5
    )
    assert as_on_gpu == [N]
    check(api.smooth(scores, features, 280), scores, features, 280)
    assert as_on_gpu == [N]


@pytest.mark.parametrize("n", [1, 2, 600, 2**17 + 1, gpu_items.MOST_ITEMS])
def test_permuted_holds_every_number_once(n):
    got = np.asarray(gpu_items.permuted(jnp.int32(n), jnp.int32(gpu_items._coprime_step(n)), n + 3))
    np.testing.assert_array_equal(np.sort(got[:n]), np.arange(n))
    assert not got[n:].any()
    tenth = n // 10
    assert tenth < 50 or abs(got[:tenth].mean() / n - 0.5) < 0.02


def test_rows_that_a_threshold_fails_for_are_smoothed_again(rng, as_on_gpu, monkeypatch):
    monkeypatch.setattr(gpu_items, "plan_rank", lambda plan, n, k: 1)
    scores, features = problem(rng)
    got = api.smooth(scores, features, 12)
    assert as_on_gpu == [N]
    check(got, scores, features, 12)
