"""What is compiled: nothing on a CPU, one long program for calls of similar size elsewhere."""

import jax
import numpy as np
import pytest

from jax_dns import smooth, smooth_grid, smooth_queries
from jax_dns.smoothing.engine import grouped


@pytest.fixture
def compilations():
    """Counts XLA's compilations, those from the cache too."""
    count = []

    def listen(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            count.append(seconds)

    jax.clear_caches()
    jax.monitoring.register_event_duration_secs_listener(listen)
    yield count
    jax.monitoring.clear_event_listeners()


def problem(rng, n, d=8):
    return rng.normal(size=n), rng.normal(size=(n, d)).astype(np.float32)


def test_the_counter_counts(compilations):
    jax.jit(lambda x: x + 1)(np.zeros(3))
    assert len(compilations) == 1


def test_a_cpu_compiles_nothing(rng, compilations):
    for n, k in ((2_800, 128), (2_801, 128), (2_800, 130)):
        smooth(*problem(rng, n), k)
    sections = rng.integers(0, 6, 1_200)
    smooth_grid(*problem(rng, 1_200), (1, 2, 4, 8, 16), groups=sections, metric="cosine")
    for n in range(20_000, 20_035, 7):
        smooth_queries(*problem(rng, 7), *problem(rng, n), 16)
    assert not compilations


def test_elsewhere_similar_sizes_and_ks_share_the_long_program(rng, compilations, engine):
    traced = []
    for n in (3_001, 3_008, 3_015):
        smooth_queries(*problem(rng, 7), *problem(rng, n), 40 + n % 3)
        traced.append(grouped.smooth_group._cache_size())
    assert traced[-1] <= 2
    before = grouped.smooth_group._cache_size()
    for n in (600, 615):
        smooth(*problem(rng, n), 90, groups=np.arange(n) % 3)
    assert grouped.smooth_group._cache_size() - before <= 2
