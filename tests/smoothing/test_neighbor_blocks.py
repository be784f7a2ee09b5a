"""Blocks of neighbours against a loop."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.smoothing import neighbor_blocks as nb


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("same_clip", [True, False])
def test_neighbours_and_distances_equal_a_loop(rng, monkeypatch, metric, same_clip):
    monkeypatch.setattr(nb, "BLOCK", 7)
    x = rng.normal(size=(40, 5)).astype(np.float32)
    groups, pool = rng.integers(0, 2, 40), rng.random(40) < 0.7
    clip = np.arange(40) // 3
    items = nb.make_items(
        x[:, 0], x, groups=groups, pool=pool, clip=clip, metric=metric, same_clip=same_clip
    )
    unit = x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "cosine" else x
    squared = ((unit[:, None] - unit) ** 2).sum(-1)
    other = clip[:, None] != clip if not same_clip else ~np.eye(40, dtype=bool)
    squared[~(pool[None] & (groups[:, None] == groups) & other)] = np.inf
    for block in nb.neighbor_blocks(items, 4):
        expected = np.argsort(squared[block.rows], axis=1)[:, :4]
        np.testing.assert_array_equal(block.neighbors, expected)
        distances = np.take_along_axis(squared[block.rows], expected, axis=1)
        np.testing.assert_allclose(block.squared * block.unit, distances, rtol=1e-3, atol=1e-5)
    rows = []
    for block in nb.distance_blocks(items):
        rows += block.rows.tolist()
        expected = squared[np.ix_(block.rows, block.members)]
        np.testing.assert_allclose(block.squared * block.unit, expected, rtol=1e-3, atol=1e-5)
    assert sorted(rows) == list(range(40))
    usable = nb.usable_ks((1, 4, 64), items, same_clip=same_clip)
    assert usable == [1, 4]


def test_refusals():
    with pytest.raises(InputError, match="metric: 'l1'"):
        nb.check_options("l1", (1,))
    with pytest.raises(InputError, match="ks"):
        nb.check_options("cosine", (0,))
    with pytest.raises(InputError, match="features: row 0"):
        zero, n = np.zeros((2, 3), np.float32), np.arange(2)
        nb.make_items(
            zero[:, 0],
            zero,
            groups=n,
            pool=n == n,
            clip=n,
            metric="cosine",
            same_clip=True,
        )
