"""Soft Eq. 7 against the explicit softmax."""

import numpy as np
import pytest
from scipy.special import softmax

from jax_dns.errors import InputError
from jax_dns.smoothing.attention import attention
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


def test_equals_the_explicit_softmax(rng):
    n = 300  # more than a block
    x, scores = rng.normal(size=(n, 4)).astype(np.float32), rng.random(n).astype(np.float32)
    groups, pool = np.arange(n) // 280, rng.random(n) < 0.6
    got = attention(FACTS, temperatures=(0.01, 0.3)).smooth(
        scores, x, groups=groups, pool=pool, clip=np.arange(n)
    )
    squared = ((x[:, None].astype(np.float64) - x) ** 2).sum(-1)
    own = np.eye(n, dtype=bool)
    candidate = pool[None] & (groups[:, None] == groups) & ~own
    for t, values in got.items():
        for group in (0, 1):
            rows = groups == group
            tau = t * squared[rows][candidate[rows]].mean()
            # In the form of the queries' and keys' products, as attention has it.
            logits = (2 * x[rows] @ x.T - (x**2).sum(1)[None]) / tau
            logits = np.where(candidate[rows] | own[rows], logits, -np.inf)
            expected = softmax(logits.astype(np.float64), axis=1) @ scores
            np.testing.assert_allclose(values[rows], expected, rtol=1e-4)


def test_limits(rng):
    """Cold: the item's own score. Hot: the mean over itself and its candidates."""
    x, scores = rng.normal(size=(30, 3)).astype(np.float32), rng.random(30).astype(np.float32)
    arrays = dict(groups=np.zeros(30, int), pool=np.ones(30, bool), clip=np.arange(30))
    got = attention(FACTS, temperatures=(1e-9, 1e9)).smooth(scores, x, **arrays)
    np.testing.assert_allclose(got[1e-9], scores, rtol=1e-6)
    np.testing.assert_allclose(got[1e9], scores.mean(), rtol=1e-6)
    same = attention(FACTS, temperatures=(1.0,)).smooth(scores, np.ones_like(x), **arrays)
    assert np.isfinite(same[1.0]).all()
    with pytest.raises(InputError, match="temperatures"):
        attention(FACTS, temperatures=(0.0,))
