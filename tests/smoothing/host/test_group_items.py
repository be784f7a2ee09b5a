"""A group's candidates in their frame, and blocks of queries."""

import subprocess
import sys
import textwrap
import threading
import time

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
    queries = np.arange(5)
    others = GroupBlock(rows, queries, self_index=np.full(5, -1))
    q = prepare_queries(x, others, whole)
    points = x.features.astype(float)
    if metric == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    expected = np.linalg.norm(points[:5, None] - points[None, rows], axis=2)
    # The frame divides by a power of two.
    got = np.linalg.norm(q[:, None] - whole.factors[:-1].T[None], axis=2)
    np.testing.assert_allclose(got * 2.0**whole.frame.exponent, expected, rtol=1e-5)
    # Queries that are candidates are not mapped a second time.
    own = GroupBlock(rows, queries=rows[[7, 2]], self_index=np.array([7, 2]))
    mapped = prepare_queries(x, own._replace(self_index=np.array([7, -1])), whole)
    np.testing.assert_allclose(prepare_queries(x, own, whole), mapped, rtol=1e-6, atol=1e-6)


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


@pytest.mark.parametrize(("candidates", "sizes"), [(2**18, [6, 6, 6, 5]), (2**15, [8, 8, 7])])
def test_few_queries_are_shared_by_as_many_threads_as_have_enough_to_do(
    monkeypatch, candidates, sizes
):
    monkeypatch.setattr(group_items, "_cores", lambda: 4)
    queries, seen = np.arange(23), []
    block = GroupBlock(rows=np.arange(candidates), queries=queries, self_index=queries)
    for_each_block(lambda part, scratch: seen.append(len(part.queries)), block, 1_000)
    assert sorted(seen) == sorted(sizes)


@pytest.mark.parametrize("broken", range(4))
def test_an_error_in_any_thread_ends_the_others_and_is_raised(monkeypatch, broken):
    monkeypatch.setattr(group_items, "_cores", lambda: 2)
    block = GroupBlock(rows=np.arange(5), queries=np.arange(40), self_index=np.arange(40))
    started, running = [], set()

    def work(part, scratch):
        started.append(part.queries[0])
        running.add(part.queries[0])
        time.sleep(0.01)
        running.discard(part.queries[0])
        if part.queries[0] == broken:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        for_each_block(work, block, 1)
    assert not running and len(started) <= broken + 4


def test_a_forked_process_starts_its_own_threads():
    code = """
        import os, numpy as np
        from jax_dns import smooth
        from jax_dns.smoothing.host import group_items
        group_items._cores = lambda: 2
        rng = np.random.default_rng(0)
        scores, features = rng.normal(size=900), rng.normal(size=(900, 8))
        before = smooth(scores, features, 5)
        child = os.fork()
        if not child:
            os._exit(0 if np.array_equal(smooth(scores, features, 5), before) else 3)
        assert os.waitpid(child, 0)[1] == 0
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    subprocess.run(command, check=True, timeout=60)
