"""Sizes of the GPU's programs for a group, and how far a threshold lies above the K nearest."""

import math
from typing import NamedTuple

from jax_dns.smoothing.engine import gpu_compact

BLOCK_VALUES, BLOCK_ROWS = 3 * 2**27, 2**14  # 1.5 GiB
WHOLE_ROW = 4096  # columns up to which a row is selected from in registers
SAMPLES = (2048, 4096, 8192, 16384)
MOST_SLOTS = 16384
SAMPLE_COST = 0.25  # of a column of the sample, relative to a slot's
DEVIATIONS = 5  # one row in some 10^6 falls short, and one overflows
PART_COLUMNS, MOST_PARTS = 2**16, 8  # of a row, in blocks of few rows
ROW_STEP, TILE_ROWS, MANY_ROWS = 8, 128, 1024  # a product of few rows wants them in whole tiles
ROOM = gpu_compact.SLACK / (gpu_compact.SLACK + 1)  # of the slots: thresholds exceed the rank


class GpuPlan(NamedTuple):
    """Sizes of the programs for one group; equal plans share compiled programs."""

    columns: int  # items, padded
    block: int  # queries of a block
    queries: int  # padded to whole blocks
    sample: int  # columns that thresholds are estimated from; 0: rows are selected from whole
    slots: int
    parts: int  # of the columns, each with its share of the slots


def make_plan(n: int, m: int, k: int, *, block_size: int | None = None) -> GpuPlan | None:
    """Chooses sizes for m queries against n items and the largest K.

    Returns:
      None where so large a part of the items is selected that thresholds save nothing.
    """
    sample = slots = parts = 0
    if n <= WHOLE_ROW:
        columns = max(2 ** max(n - 1, 0).bit_length(), 32)
    else:
        parts = min(2 ** max((n // PART_COLUMNS).bit_length() - 1, 0), MOST_PARTS)
        step = parts * gpu_compact.CHUNK
        columns = -(-n // step) * step
        sizes = ((size, slots_needed(n, k, size, parts)) for size in SAMPLES if size < n)
        sample, slots = min(sizes, key=lambda size: SAMPLE_COST * size[0] + size[1])
        if slots > min(MOST_SLOTS, n // 2):
            return None
    most = min(BLOCK_VALUES // columns, BLOCK_ROWS, block_size or BLOCK_ROWS)
    step = TILE_ROWS if TILE_ROWS <= min(most, m) < MANY_ROWS else ROW_STEP
    blocks = -(-m // max(most // step * step, step))
    block = -(-m // (blocks * step)) * step
    return GpuPlan(columns, block, blocks * block, sample, slots, parts)


def slots_needed(n: int, k: int, sample: int, parts: int = 1) -> int:
    """Returns the fewest slots, a power of two, between which and K a threshold is safe.

    The number of the sample's values among the K nearest of all is about Poisson distributed, and
    its square root has a standard deviation of 1/2 whatever K is: `sample_rank` lies `DEVIATIONS`
    of them above K's, and as many below the slots'. It varies less where the sample is most of the
    items, and a part's share of the values varies in addition.

    Args:
      n: items.
      k: the largest K.
      sample: size of the sample.
      parts: of the columns.
    """
    rate = sample / n
    least = math.sqrt(k * rate) + DEVIATIONS * math.sqrt(1 - rate + (parts - 1) * rate)
    slots = max(2 ** (k - 1).bit_length(), 32)
    while slots < n and math.sqrt(slots * rate * ROOM) < least:
        slots *= 2
    return slots


def sample_rank(n: int, k: int, sample: int, slots: int) -> int:
    """Returns the rank in a sample of n items whose value is each row's threshold.

    It lies as many standard deviations above what the K nearest reach as below what the slots hold.
    """
    rate = sample / n
    return math.ceil(((math.sqrt(k * rate) + math.sqrt(slots * rate * ROOM)) / 2) ** 2)


def plan_rank(plan: GpuPlan, n: int, k: int) -> int:
    """Returns `sample_rank` of a plan, 0 without a sample."""
    return sample_rank(n, k, plan.sample, plan.slots) if plan.sample else 0
