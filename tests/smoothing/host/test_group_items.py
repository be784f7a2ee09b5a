"""A group's candidates in their frame, and blocks of queries."""

import threading

import numpy as np
import pytest

from jax_dns.smoothing.host import group_items
from jax_dns.smoothing.host.group_items import for_each_block, prepare_items, prepare_queries
from jax_dns.smoothing.partition import GroupBlock
from jax_dns.smoothing.validation import validate_inputs


def inputs(rng, *, offset=0.0, metric="euclidean"):
    scores, features = rng.normal(size=50), rng.normal(size=(50, 6)) + offset
    return validate_inputs(
        scores, features.astype(np.float32), (3,), groups=None, pool=None, metric=metric
    )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_chunks_change_nothing_and_distances_are_kept(rng, metric, monkeypatch):
    x, rows = inputs(rng, metric=metric), np.arange(3, 50, 2)
    whole = prepare_items(x, rows)
    monkeypatch.setattr(group_items, "CHUNK_ROWS", 7)
    chunked = prepare_items(x, rows)
    np.testing.assert_allclose(chunked.factors, whole.factors, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(whole.rows, rows)
    np.testing.assert_array_equal(whole.scores, x.scores[rows])
    q = prepare_queries(x.features[:5], whole, metric)
    points = x.features.astype(float)
    if metric == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    expected = np.linalg.norm(points[:5, None] - points[None, rows], axis=2)
    # The frame divides by a power of two.
    got = np.linalg.norm(q[:, None] - whole.factors[:-1].T[None], axis=2)
    np.testing.assert_allclose(got * 2.0**whole.frame.exponent, expected, rtol=1e-5)


def test_the_frame_takes_the_groups_mean_away(rng):
    items = prepare_items(inputs(rng, offset=1e3), np.arange(50))
    assert np.abs(items.factors[:-1].mean(1)).max() < 1e-5


@pytest.mark.parametrize(("cores", "sizes"), [(1, [3, 10, 10]), (2, [5, 6, 6, 6]), (3, [7, 8, 8])])
def test_blocks_cover_every_query_once(monkeypatch, cores, sizes):
    monkeypatch.setattr(group_items, "_cores", lambda: cores)
    queries = np.arange(100, 123)
    block = GroupBlock(rows=np.arange(5), queries=queries, self_index=queries - 100)
    seen, lock = [], threading.Lock()

    def note(part, scratch):
        with lock:
            seen.append((len(part.queries), part.queries.tolist(), part.self_index.tolist()))

    for_each_block(note, block, 10)
    assert sorted(size for size, *_ in seen) == sizes
    assert sorted(q for _, part, _ in seen for q in part) == queries.tolist()
    assert all([q - 100 for q in part] == own for _, part, own in seen)
