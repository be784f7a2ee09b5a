"""Every baseline against a loop, and the size of its blocks."""

import inspect

import jax
import knn_baselines
import numpy as np
import pytest
from knn_baselines import (
    BASELINES,
    approx_max_k_recall,
    block_rows,
    smooth_with,
    torch_grid,
)
from products import PRODUCTS

N, M, D, K = 150, 20, 6, 9


@pytest.fixture
def items(rng):
    return rng.normal(size=N).astype(np.float32), rng.normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def queries(rng):
    return rng.normal(size=M).astype(np.float32), rng.normal(size=(M, D)).astype(np.float32)


def nearest(queries, features, k):
    """Indices [m, k] by sorting all distances in float64."""
    distances = np.linalg.norm(queries[:, None].astype(float) - features[None], axis=-1)
    return np.argsort(distances, axis=1)[:, :k]


def find(name):
    """The baseline, if its library and options are installed."""
    library = name.split()[0]
    if library in ("faiss", "torch"):
        pytest.importorskip(library, reason="extra bench")
    if "unstable" in name and "is_stable" not in inspect.signature(jax.lax.top_k).parameters:
        pytest.skip("this JAX's top_k is always stable")
    return BASELINES[name][0]


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_equal_a_loop(name, items, queries, monkeypatch):
    monkeypatch.setattr(knn_baselines, "CPU_VALUES", 7 * N)  # several blocks, the last one short
    baseline = find(name)
    scores, features = items
    smoothed = smooth_with(baseline, scores, features, K)
    np.testing.assert_allclose(
        smoothed, scores[nearest(features, features, K)].mean(1), rtol=1e-5, atol=1e-6
    )
    smoothed = smooth_with(baseline, scores, features, K, queries)
    sums = queries[0] + scores[nearest(queries[1], features, K - 1)].sum(1)
    np.testing.assert_allclose(smoothed, sums / K, rtol=1e-5, atol=1e-6)


def test_an_option_that_jax_lacks_is_named(items, queries, monkeypatch):
    monkeypatch.setattr(jax.lax, "top_k", lambda operand, k: None)
    with pytest.raises(NotImplementedError, match="no option is_stable"):
        BASELINES["jax unstable top_k"][0](queries[1], *items, K)


def test_torch_grid_equals_a_loop(items, monkeypatch):
    pytest.importorskip("torch", reason="extra bench")
    monkeypatch.setattr(knn_baselines, "CPU_VALUES", 7 * N)
    scores, features = items
    order = nearest(features, features, N)
    expected = [scores[order[:, :k]].mean(1) for k in (4, 1, 20)]
    np.testing.assert_allclose(torch_grid(*items, (4, 1, 20)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_equal_numpy(name, items, queries, monkeypatch):
    if name.startswith("torch"):
        pytest.importorskip("torch", reason="extra bench")
    monkeypatch.setattr(knn_baselines, "CPU_VALUES", 7 * N)
    column = PRODUCTS[name][0](queries[1], items[1])
    np.testing.assert_allclose(column, queries[1] @ items[1][0], rtol=1e-5, atol=1e-6)


def test_recall_counts_the_neighbours_found(items, queries, monkeypatch):
    features = items[1]
    assert approx_max_k_recall(queries[1], features, K) == pytest.approx(1)  # exact on a CPU
    # One of the K indices is that of the nearest item again.
    monkeypatch.setattr(
        knn_baselines,
        "_approx_max_k",
        lambda x, k: (None, jax.lax.top_k(x, k)[1].at[:, -1].set(jax.lax.top_k(x, 1)[1][:, 0])),
    )
    assert approx_max_k_recall(queries[1], features, K) == pytest.approx((K - 1) / K)


def test_blocks_fit_the_device():
    assert block_rows(1_000, None) == 2**22 // 1_000  # a CPU's caches
    assert block_rows(2**20, 80 * 2**30) == 2**8  # 2^28 values on a large GPU
    assert block_rows(2**20, 8 * 2**30) == 2**8
    assert block_rows(2**20, 2 * 2**30) == 2**6  # a 32nd of the bytes: an eighth of the memory
    assert block_rows(2**30, None) == 1
