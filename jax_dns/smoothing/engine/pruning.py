"""Leaving out the columns that hold no neighbour, where the items are many: CPU only.

Items come in chunks, alike ones together: the first ones are a fair sample of all, the others are
sorted by which of a few pivots is nearest. So are the queries. The sample gives each query a
distance that its K-th neighbour very likely doesn't exceed, and a chunk with no value below it for
any query of a block holds no neighbour of theirs. The other chunks are copied side by side, and
selection works on the copy. That the copy holds each query's K nearest is counted, not believed;
where it doesn't, the block is done plainly. Where features have no clusters nothing can be left
out, which is noticed after a few blocks.

Chunks also keep the product in cache. At N = 100,000, d = 128, in seconds of one core for 6,144
queries: 0.88 for the product in blocks of 64 whole rows, 1.9 in blocks of 128, 0.70 in chunks of
4,096 columns and 256 rows.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.kth_threshold import Bracket, select
from jax_dns.smoothing.engine.neighbor_means import bounds, means

SAMPLE = 2048  # columns at the front, in whole chunks
CHUNK = 1024  # columns
ROWS = 256  # queries of a block
PART = 64  # of those, selected at once; 128 take 1.04 times as long
LEAST_ITEMS, LEAST_PAIRS = 2**16, 2**29  # its programs take 3 s more to compile
SHARE = 32  # K is at most this part of the items
KEPT = 6  # and the copy at most this part of the columns
PIVOTS = 128
ORDERED = 4096  # items whose pivot is sought at once
COPIES = 3  # of a block's chunks at once, as compiled
CREDIT = 2  # blocks that may fail before no more are tried


class ChunkedCandidates(NamedTuple):
    """Candidates, in whole chunks."""

    scores: Float[Array, " r"]
    features: Float[Array, "r d"]
    norms: Float[Array, " r"]  # squared lengths, infinite where there is no item
    longest: Float[Array, ""]
    count: Int[Array, ""]


class QueryBlock(NamedTuple):
    """Queries."""

    scores: Float[Array, "*m"]
    features: Float[Array, "*m d"]
    self_index: Int[Array, "*m"]  # position among the items, or -1


class PrunedBlock(NamedTuple):
    """The chunks of a block that may hold neighbours, side by side."""

    near: Float[Array, "b c"]  # infinite where there is none
    scores: Float[Array, " c"]
    used: Int[Array, ""]  # chunks; more than there is room for: not all are here


def is_worth_pruning(n: int, m: int, k: int) -> bool:
    """Whether leaving out columns can be faster, by sizes alone."""
    many = n >= LEAST_ITEMS and n * m >= LEAST_PAIRS and k * SHARE <= n
    return many and jax.default_backend() == "cpu"


def chunked_columns(columns: int) -> int:
    """Columns after padding to whole chunks."""
    return -(-columns // CHUNK) * CHUNK


def kept_columns(columns: int) -> int:
    """Room for the copy: whole chunks, which and half of which are whole tiles of a count."""
    half = max(SAMPLE // CHUNK, columns // CHUNK // KEPT // 2) * CHUNK
    while padded_columns(half) != half or padded_columns(2 * half) != 2 * half:
        half += CHUNK
    return 2 * half


def held_bytes(n: int, *, itemsize: int = 4) -> int:
    """Bytes that leaving out columns of n items takes beside the features: a block's chunks."""
    return COPIES * itemsize * ROWS * kept_columns(chunked_columns(n))


def sort_by_centroid(
    features: Float[Array, "n d"],
    query_features: Float[Array, "m d"],
    rows: Int[np.ndarray, " r"],
    queries: Int[np.ndarray, " q"],
) -> tuple[Int[np.ndarray, " r"], Int[np.ndarray, " q"]]:
    """Orders items and queries so that alike ones lie together.

    Args:
      features: [n, d].
      query_features: [m, d].
      rows: numbers of items, in an order without a pattern.
      queries: numbers of queries.

    Returns:
      The numbers in their new order; the first SAMPLE of `rows` stay where they are.
    """
    pivots = np.asarray(features[rows[:: -(-len(rows) // PIVOTS)]])
    pivots = pivots[_chain(pivots)]
    of_rows = np.asarray(_nearest_pivot(features, pivots))[rows[SAMPLE:]]
    of_queries = np.asarray(_nearest_pivot(query_features, pivots))[queries]
    rest = rows[SAMPLE:][np.argsort(of_rows, kind="stable")]
    return np.append(rows[:SAMPLE], rest), queries[np.argsort(of_queries, kind="stable")]


def _chain(x: Float[np.ndarray, "p d"]) -> list[int]:
    """From each row to the nearest one not yet visited: a cluster's pivots follow each other."""
    norms = (x**2).sum(1)
    far = norms[:, None] + norms[None, :] - 2 * x @ x.T
    order = [0]
    for _ in range(len(x) - 1):
        far[:, order[-1]] = np.inf
        order.append(int(np.argmin(far[order[-1]])))
    return order


@jax.jit
def _nearest_pivot(features: Float[Array, "n d"], pivots: Float[Array, "p d"]) -> Int[Array, " n"]:
    norms = jnp.sum(pivots**2, axis=1)
    return jax.lax.map(lambda x: jnp.argmin(norms - 2 * (pivots @ x)), features, batch_size=ORDERED)


def smooth_pruned_blocks(
    items: ChunkedCandidates,
    blocks: tuple[Int[Array, "t b"], Int[Array, "t b"]],
    *,
    ks: tuple[int, ...],
    gather_queries: Callable[..., QueryBlock],
    fallback: Callable[[QueryBlock], Float[Array, "k b"]],
) -> Float[Array, "t k b"]:
    """Smooths block by block, reading only the chunks of columns that may hold neighbours.

    Args:
      items: candidates, in the order of `sort_by_centroid`.
      blocks: [t, b] numbers of the queries in the order of `sort_by_centroid`, and their places.
      ks: Ks.
      ask: gives the queries of a block.
      plainly: smooths PART queries without leaving out anything.

    Returns:
      [t, len(ks), b].
    """

    def one_block(credit: Array, block: tuple[Array, Array]) -> tuple[Array, Array]:
        query = gather_queries(*block)
        nothing = jnp.zeros((len(ks), len(query.self_index)), query.scores.dtype), jnp.bool_(False)
        smoothed, sure = jax.lax.cond(
            credit > 0, lambda x: _leaving_out(items, x, ks), lambda _: nothing, query
        )
        smoothed = jax.lax.cond(sure, lambda _: smoothed, lambda x: _in_parts(fallback, x), query)
        return jnp.minimum(credit + jnp.where(sure, 1, -1), 2 * CREDIT), smoothed

    return jax.lax.scan(one_block, jnp.int32(CREDIT), blocks)[1]


def limits(
    items: ChunkedCandidates, query_features: Float[Array, "b d"], rank: int
) -> tuple[Float[Array, " b"], Float[Array, " b"], Float[Array, " b"]]:
    """What each query's `rank`-th distance very likely doesn't exceed, from the sample.

    Four standard deviations of its rank in the sample: missed about once in 10^4 queries.

    Returns:
      A bound that no distance is below, the limit, a bound that all are below.
    """
    low, high = bounds(query_features, items.longest)
    products = jnp.matmul(
        query_features, items.features[:SAMPLE].T, precision=jax.lax.Precision.HIGHEST
    )
    near = items.norms[None, :SAMPLE] - 2 * products
    mean = SAMPLE * (rank / items.count)
    there = jnp.minimum(jnp.ceil(mean + 4 * jnp.sqrt(mean) + 1), SAMPLE).astype(jnp.int32)
    bracket = select(near, there[None], low, high, jnp.full(len(low), SAMPLE, jnp.int32))
    bracket = Bracket(*(x[0] for x in bracket))
    return low, jnp.where(bracket.below_low >= there, bracket.low, bracket.high), high


def prune_chunks(
    items: ChunkedCandidates, query: QueryBlock, limit: Float[Array, " b"], high: Float[Array, " b"]
) -> PrunedBlock:
    """Copies the chunks in which some query has a value below its limit, and the sample.

    Args:
      items: candidates.
      query: a block.
      limit: [b].
      high: [b] all finite values are below.

    Returns:
      Distances less the query's own squared length, with room for `kept_columns`.
    """
    room = kept_columns(len(items.norms))
    start = PrunedBlock(
        jnp.full((len(limit), room), jnp.inf, high.dtype),
        jnp.zeros(room, items.scores.dtype),
        jnp.int32(0),
    )
    reach = limit + 1e-6 * high  # more than three sums are rounded by
    q = -2 * query.features  # exact, and one operation less for each value

    def one_chunk(kept: PrunedBlock, i: Int[Array, ""]) -> tuple[PrunedBlock, None]:
        first = i * CHUNK
        scores, x, norms = (jax.lax.dynamic_slice_in_dim(a, first, CHUNK) for a in items[:3])
        products = jnp.matmul(q, x.T, precision=jax.lax.Precision.HIGHEST)
        # Over the queries: sums and minima along a row take twice as long.
        excess = norms + jnp.min(products - reach[:, None], axis=0)

        def add(kept: PrunedBlock) -> PrunedBlock:
            near = norms[None, :] + products
            itself = query.self_index[:, None] - first == jnp.arange(CHUNK)[None, :]
            to = jnp.minimum(kept.used * CHUNK, room - CHUNK)
            return PrunedBlock(
                jax.lax.dynamic_update_slice(kept.near, jnp.where(itself, jnp.inf, near), (0, to)),
                jax.lax.dynamic_update_slice(kept.scores, scores, (to,)),
                kept.used + 1,
            )

        wanted = (first < SAMPLE) | (jnp.min(excess) <= 0)
        return jax.lax.cond(wanted, add, lambda kept: kept, kept), None

    return jax.lax.scan(one_chunk, start, jnp.arange(len(items.norms) // CHUNK))[0]


def _leaving_out(
    items: ChunkedCandidates, query: QueryBlock, ks: tuple[int, ...]
) -> tuple[Float[Array, "k b"], Bool[Array, ""]]:
    """A block by the chunks that hold its neighbours, and whether they surely do."""
    low, limit, high = limits(items, query.features, max(ks) - 1)
    kept = prune_chunks(items, query, limit, high)
    total = items.count - (query.self_index >= 0).astype(jnp.int32)

    def by_columns(columns: int) -> Callable[..., tuple[Array, Array]]:
        def one_part(inputs: tuple[Array, ...]) -> tuple[Array, Array]:
            near, *others = inputs
            scores = kept.scores[:columns]
            return means(near[:, :columns], scores, *others, ks=ks, sample=SAMPLE)

        return lambda parts: _in_parts(one_part, parts)

    room = kept.near.shape[1]
    held = kept.used * CHUNK
    parts = kept.near, query.scores, low, limit, total
    smoothed, sure = jax.lax.cond(held <= room // 2, by_columns(room // 2), by_columns(room), parts)
    return smoothed, (held <= room) & jnp.all(sure)


def _in_parts(function: Callable, arrays: tuple[Array, ...]) -> tuple[Array, ...] | Array:
    """Maps over PART rows at a time; results have the rows last."""
    parts = jax.tree.map(lambda x: x.reshape(-1, PART, *x.shape[1:]), arrays)
    results = jax.lax.map(function, parts)
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1), results)
