"""Mutual neighbours against a loop."""

import numpy as np

from jax_dns.smoothing.mutual import mutual
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


def test_equals_a_loop_in_and_outside_the_pool(rng):
    n, k = 50, 6
    x, scores = rng.normal(size=(n, 3)).astype(np.float32), rng.random(n).astype(np.float32)
    groups, pool = np.zeros(n, int), rng.random(n) < 0.6
    got = mutual(FACTS, ks=(1, k)).smooth(scores, x, groups=groups, pool=pool, clip=np.arange(n))
    np.testing.assert_array_equal(got[1], scores)
    d = np.linalg.norm(x[:, None].astype(np.float64) - x, axis=-1)

    def nearest(i):
        rows = [j for j in np.flatnonzero(pool) if j != i]
        return sorted(rows, key=lambda j: d[i, j])[: k - 1]

    counts = []
    for i in range(n):
        both = [j for j in nearest(i) if d[i, j] <= d[j, nearest(j)[-1]] + 1e-9]
        counts.append(len(both))
        expected = (scores[i] + scores[both].sum()) / (1 + len(both))
        np.testing.assert_allclose(got[k][i], expected, rtol=1e-5)
    assert min(counts) < max(counts) and any(c for c, p in zip(counts, pool) if not p)
