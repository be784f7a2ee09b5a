"""The mean over the grid of Ks."""

import numpy as np

from jax_dns import smooth
from jax_dns.smoothing.grid_mean import grid_mean
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)


def test_is_the_mean_of_eq_7_over_the_ks_that_fit(rng):
    x, scores = rng.normal(size=(20, 3)).astype(np.float32), rng.random(20).astype(np.float32)
    arrays = dict(groups=np.zeros(20, int), pool=np.ones(20, bool), clip=np.arange(20))
    got = grid_mean(FACTS, ks=(2, 4, 64)).smooth(scores, x, **arrays)
    expected = (smooth(scores, x, 2) + smooth(scores, x, 4)) / 2
    np.testing.assert_allclose(got[0], expected, rtol=1e-6)
    assert grid_mean(FACTS, ks=(64,)).smooth(scores, x, **arrays) == {}
