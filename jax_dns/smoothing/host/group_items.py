"""One group's candidates on the host, and its queries block by block in threads."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import ThreadpoolController

from jax_dns.smoothing.feature_space import Frame, divide_by_power, to_frame, to_metric_space
from jax_dns.smoothing.host.block_distances import Scratch, add_norms
from jax_dns.smoothing.partition import GroupBlock
from jax_dns.smoothing.validation import SmoothingInputs

CHUNK_ROWS = 2**13  # gathered at once
SHARED_VALUES = 2**18  # distances that are worth a thread of their own
KEPT_VALUES = 2**19  # distances of a block whose memory is kept for the next call
KEPT_SCRATCH = Scratch()
FRAMED_ROWS = 2**9  # mapped to their frame at once: they stay in a core's cache


class HostItems(NamedTuple):
    """One group's candidates."""

    rows: Int[np.ndarray, " r"]  # their numbers
    scores: Float[np.ndarray, " r"]
    factors: Float[np.ndarray, "e r"]  # features in the group's frame, and squared norms
    frame: Frame


def prepare_items(inputs: SmoothingInputs, rows: Int[np.ndarray, " r"]) -> HostItems:
    """Gathers candidates and maps them to their frame, in chunks: one copy of the features."""
    n, d = len(rows), inputs.features.shape[1]
    starts = range(0, n, CHUNK_ROWS)

    @functools.lru_cache(maxsize=1)  # few items are one chunk, gathered once
    def chunk(first: int) -> Float[np.ndarray, "c d"]:
        return _to_space(inputs.features[rows[first : first + CHUNK_ROWS]], inputs.metric)

    exponent = max(np.frexp(max(x.max(), -x.min()))[1] for x in map(chunk, starts))
    sums = (divide_by_power(x.sum(0, dtype=np.float64), exponent) for x in map(chunk, starts))
    frame = Frame(exponent, sum(sums) / n)
    factors = np.empty((d + 1, n), _working_type())
    for first in starts:
        part = chunk(first)
        for row in range(0, len(part), FRAMED_ROWS):
            # As `to_frame` does, which also looks for rows too large for the frame.
            scaled = divide_by_power(part[row : row + FRAMED_ROWS], exponent)
            framed = np.empty(scaled.shape, factors.dtype)
            np.subtract(scaled, frame.origin, out=framed, casting="same_kind")
            factors[:, first + row : first + row + len(framed)] = add_norms(framed)
    return HostItems(rows, inputs.scores[rows].astype(np.float64), factors, frame)


def prepare_queries(
    inputs: SmoothingInputs, block: GroupBlock, items: HostItems
) -> Float[np.ndarray, "b d"]:
    """Returns a block's queries in the frame of its group's candidates."""
    if (block.self_index >= 0).all():
        return items.factors[:-1].take(block.self_index, axis=1).T
    queries = inputs.query_features[block.queries]
    return _to_frame(_to_space(queries, inputs.metric), items.frame)


def for_each_block(
    function: Callable[[GroupBlock, Scratch], None], group: GroupBlock, size: int
) -> None:
    """Calls a function with blocks of a group's queries, in threads.

    Args:
      function: writes its results itself; the scratch is its thread's.
      group: candidates and queries.
      size: queries in a block, at most.
    """
    enough = SHARED_VALUES // max(1, len(group.rows))
    size = min(size, max(1, enough, -(-len(group.queries) // _cores())))
    n_blocks = -(-len(group.queries) // size)
    threads = min(n_blocks, _cores())
    if threads > 1:  # the same number of blocks for each thread, of about the same size
        n_blocks = -(-n_blocks // threads) * threads
        size = -(-len(group.queries) // n_blocks)
    blocks = [
        group._replace(
            queries=group.queries[first : first + size],
            self_index=group.self_index[first : first + size],
        )
        for first in range(0, len(group.queries), size)
    ]
    scratch = KEPT_SCRATCH if size * len(group.rows) <= KEPT_VALUES else Scratch()
    left = iter(blocks)

    def work() -> None:
        for block in left:
            try:
                function(block, scratch)
            except BaseException:
                list(left)  # no thread takes another block
                raise

    if threads <= 1:
        work()
        return
    # Each thread multiplies by itself: a block's products are too small to be shared. This thread
    # works too: of two that are woken at once, one may wait for a core.
    with _threadpools().limit(limits=1, user_api="blas"):
        others = [_threads().submit(work) for _ in range(threads - 1)]
        try:
            work()
        finally:
            wait(others)
    for other in others:
        other.result()


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Returns the process's threads; starting new ones takes as long as smoothing 500 items."""
    return ThreadPoolExecutor(_cores())


if hasattr(os, "register_at_fork"):  # threads do not survive a fork
    os.register_at_fork(after_in_child=_threads.cache_clear)


@functools.cache
def _threadpools() -> ThreadpoolController:
    """Returns the process's thread pools; finding them takes 2 ms, NumPy's is always among them."""
    return ThreadpoolController()


def _to_space(features: Float[np.ndarray, "n d"], metric: str) -> Float[np.ndarray, "n d"]:
    """Maps features to the metric's space; directions in float64, as rows may be close together."""
    features = features.astype(_working_type(), copy=False)
    return features if metric == "euclidean" else to_metric_space(features.astype(float), metric)


def _to_frame(features: Float[np.ndarray, "n d"], frame: Frame) -> Float[np.ndarray, "n d"]:
    return to_frame(features, frame).astype(_working_type())


def _working_type() -> np.dtype:
    return jax.dtypes.canonicalize_dtype(np.float64)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
