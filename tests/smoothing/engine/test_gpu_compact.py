"""The GPU's kernels against NumPy; without a GPU, Pallas interprets them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.smoothing.engine import gpu_compact
from jax_dns.smoothing.engine.gpu_compact import Kept

M, N = 8, 2_048
INTERPRET = jax.default_backend() != "gpu"


@pytest.fixture(scope="module")
def distances():
    """Products [M, N] and norms [N], the last 48 without an item; and their sums."""
    rng = np.random.default_rng(0)
    products = rng.normal(size=(M, N)).astype(np.float32)
    norms = np.abs(rng.normal(size=N)).astype(np.float32)
    norms[-48:] = np.inf
    return jnp.asarray(products), jnp.asarray(norms), products + norms


@pytest.mark.parametrize("rank", [1, 10, 100, 255])
def test_thresholds_have_the_rank_or_few_more_values_below(distances, rank):
    products, norms, values = distances
    got = gpu_compact.sample_thresholds(
        products, norms, jnp.int32(rank), sample=256, interpret=INTERPRET
    )
    below = (values[:, :256] < np.asarray(got)[:, None]).sum(1)
    assert (below >= rank).all() and (below <= rank + rank // gpu_compact.SLACK).all()


def test_thresholds_of_equal_values_lie_above_them():
    products = jnp.asarray(np.repeat(np.float32([[-1.0], [2.0]]), 64, axis=1))
    got = gpu_compact.sample_thresholds(
        products, jnp.zeros(64), jnp.int32(5), sample=64, interpret=INTERPRET
    )
    np.testing.assert_array_equal(got, np.nextafter(np.float32([-1, 2]), np.float32(9)))


@pytest.mark.parametrize("parts, slots", [(1, 256), (2, 512), (4, 256)])
def test_keeps_the_values_below_the_thresholds(distances, parts, slots):
    products, norms, values = distances
    thresholds = np.sort(values, axis=1)[:, [3, 40, 90, 160, 200, 0, 20, 500]].diagonal()
    kept = gpu_compact.compact_below(
        products, norms, jnp.asarray(thresholds), slots=slots, parts=parts, interpret=INTERPRET
    )
    kept = jax.tree.map(np.asarray, kept)
    share = slots // parts
    for row in range(M):
        for part in range(parts):
            first = part * (N // parts)
            expected = first + np.flatnonzero(
                values[row, first : first + N // parts] < thresholds[row]
            )
            assert kept.counts[row, part] == len(expected)
            slots_used = slice(part * share, part * share + min(len(expected), share))
            held = np.asarray(kept.columns[row, slots_used])
            np.testing.assert_array_equal(kept.values[row, slots_used], values[row, held])
            assert len(set(held)) == len(held) and set(held) <= set(expected)


def expected_sums(values, scores, self_index, ranks):
    out = []
    for row, own in zip(values, self_index):
        order = [j for j in np.argsort(row) if j != own]
        out.append([scores[order[:rank]].sum(dtype=np.float64) for rank in ranks])
    return np.asarray(out)


def test_sums_of_kept_leave_the_query_itself_out(distances, rng):
    products, norms, values = distances
    scores = rng.normal(size=N).astype(np.float32)
    self_index = np.where(np.arange(M) < 4, values.argmin(1), -1).astype(np.int32)
    ranks = (1, 7, 30)
    limit = np.sort(values, axis=1)[:, 60]
    kept = gpu_compact.compact_below(
        products, norms, jnp.asarray(limit), slots=256, parts=4, interpret=INTERPRET
    )
    arguments = jnp.asarray(self_index), jnp.asarray(scores), jnp.asarray(ranks, jnp.int32)
    got = gpu_compact.sums_of_kept(kept, *arguments, interpret=INTERPRET)
    np.testing.assert_allclose(got, expected_sums(values, scores, self_index, ranks), atol=1e-5)
    got = gpu_compact.sums_of_row(products, norms, *arguments, interpret=INTERPRET)
    np.testing.assert_allclose(got, expected_sums(values, scores, self_index, ranks), atol=1e-5)


def test_equal_values_at_the_end_share():
    values = np.float32([[0, 1, 1, 1, 1, 5, 9, 9]])
    kept = Kept(jnp.asarray(values), jnp.arange(8)[None], jnp.asarray([[6]], jnp.int32))
    scores = jnp.asarray(np.arange(8, dtype=np.float32))
    arguments = jnp.asarray([-1], jnp.int32), scores, jnp.asarray([3, 5, 6], jnp.int32)
    got = gpu_compact.sums_of_kept(kept, *arguments, interpret=INTERPRET)
    np.testing.assert_allclose(got, [[2 / 4 * 10, 10, 15]], rtol=1e-6)
