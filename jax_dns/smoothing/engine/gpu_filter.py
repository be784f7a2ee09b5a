"""Pallas kernels that find the nearest from products in half precision, checked in float32.

`filter_below` multiplies tiles on the tensor cores and compares them with each row's threshold
while they are in registers: all that is written is a bit for each value. `columns_of_bits` lists
the columns whose bits are set, and `distances_at` computes their distances anew in float32.
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pl_triton
from jaxtyping import Array, Float, Int

WORD = 32  # bits


def filter_below(
    queries: Float[Array, "m d"],
    items: Float[Array, "n d"],
    norms: Float[Array, " n"],
    thresholds: Float[Array, " m"],
    *,
    rows: int = 128,
    columns: int = 128,
    warps: int = 8,
    stages: int = 2,
    precision: jax.lax.DotAlgorithmPreset | None = None,
    interpret: bool = False,
) -> Int[Array, "m w"]:
    """Sets a bit where norms + queries . items lies below a row's threshold.

    Args:
      queries: [m, d] in the type they are multiplied in, m a multiple of `rows`, d a power of two.
      items: [n, d], n a multiple of `columns`.
      norms: [n].
      thresholds: [m].
      rows: rows of a tile.
      columns: columns of a tile.
      warps: warps of a program.
      stages: tiles of items that are loaded ahead.
      precision: of the products.
      interpret: whether to run without a GPU, slowly.

    Returns:
      [m, n / 32] bit j of word i belongs to column 32 i + j.
    """
    m, d = queries.shape
    n = len(items)
    words = columns // WORD

    def kernel(queries_ref, items_ref, norms_ref, thresholds_ref, bits_ref) -> None:
        q, threshold = queries_ref[...], thresholds_ref[...][:, None]
        bit = jnp.arange(columns, dtype=jnp.int32) & (WORD - 1)
        bit = jax.lax.shift_left(jnp.ones(columns, jnp.int32), bit)
        bit = jnp.broadcast_to(bit[None, :], (rows, columns))

        def one_tile(j: Array, carry: Array) -> Array:
            x = items_ref[pl.ds(j * columns, columns), :]
            products = jax.lax.dot_general(
                q, x, (((1,), (1,)), ((), ())), precision, preferred_element_type=jnp.float32
            )
            passes = products + norms_ref[pl.ds(j * columns, columns)][None, :] < threshold
            bits = jnp.where(passes, bit, 0).reshape(rows, words, WORD)
            bits_ref[:, pl.ds(j * words, words)] = jnp.sum(bits, axis=2, dtype=jnp.int32)
            return carry

        jax.lax.fori_loop(0, n // columns, one_tile, jnp.int32(0))

    return pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((m, n // WORD), jnp.int32),
        grid=(m // rows,),
        in_specs=[
            pl.BlockSpec((rows, d), lambda i: (i, 0)),
            pl.BlockSpec((n, d), lambda i: (0, 0)),
            pl.BlockSpec((n,), lambda i: (0,)),
            pl.BlockSpec((rows,), lambda i: (i,)),
        ],
        out_specs=pl.BlockSpec((rows, n // WORD), lambda i: (i, 0)),
        compiler_params=pl_triton.CompilerParams(num_warps=warps, num_stages=stages),
        interpret=interpret,
        name="filter_below",
    )(queries, items, norms, thresholds)


def columns_of_bits(
    bits: Int[Array, "m w"],
    *,
    slots: int,
    chunk: int = 512,
    warps: int = 4,
    interpret: bool = False,
) -> tuple[Int[Array, "m s"], Int[Array, " m"]]:
    """Lists the columns whose bits are set.

    Args:
      bits: [m, w], see `filter_below`; w a multiple of `chunk`.
      slots: columns that are listed of a row at most.
      chunk: words read at once.
      warps: warps of a program.
      interpret: whether to run without a GPU, slowly.

    Returns:
      Columns [m, slots], undefined beyond a row's bits, and bits [m] that are set.
    """
    m, w = bits.shape

    def kernel(step_ref, bits_ref, columns_ref, counts_ref) -> None:
        lane = step_ref[0] * jnp.arange(chunk, dtype=jnp.int32)  # see `compact_below`

        def one_chunk(i: Array, count: Array) -> Array:
            place = i * chunk + lane
            word = bits_ref[place]
            number = jax.lax.population_count(word)
            slot = jnp.cumsum(number) - number + count

            def one_bit(_, state: tuple[Array, Array]) -> tuple[Array, Array]:
                word, slot = state
                lowest = word & -word
                column = place * WORD + jax.lax.population_count(lowest - 1)
                fits = (word != 0) & (slot < slots)
                to = jnp.where(fits, slot, slots) if interpret else slot
                pl_triton.store(columns_ref.at[to], column, mask=fits)
                return word & (word - 1), slot + 1

            jax.lax.fori_loop(0, jnp.max(number), one_bit, (word, slot))
            return count + jnp.sum(number, dtype=jnp.int32)

        counts_ref[0] = jax.lax.fori_loop(0, w // chunk, one_chunk, jnp.int32(0))

    return pl.pallas_call(
        kernel,
        out_shape=(
            jax.ShapeDtypeStruct((m, slots), jnp.int32),
            jax.ShapeDtypeStruct((m,), jnp.int32),
        ),
        grid=(m,),
        in_specs=[
            pl.BlockSpec((1,), lambda i: (0,)),
            pl.BlockSpec((None, w), lambda i: (i, 0)),
        ],
        out_specs=(
            pl.BlockSpec((None, slots), lambda i: (i, 0)),
            pl.BlockSpec((1,), lambda i: (i,)),
        ),
        compiler_params=pl_triton.CompilerParams(num_warps=warps, num_stages=1),
        interpret=interpret,
        name="columns_of_bits",
    )(jnp.ones(1, jnp.int32), bits)


def distances_at(
    columns: Int[Array, "m s"],
    counts: Int[Array, " m"],
    queries: Float[Array, "m d"],
    items: Float[Array, "n d"],
    norms: Float[Array, " n"],
    *,
    chunk: int = 32,
    warps: int = 4,
    stages: int = 1,
    interpret: bool = False,
) -> Float[Array, "m s"]:
    """Computes norms + queries . items in float32 at the columns listed.

    Args:
      columns: [m, s] as of `columns_of_bits`, s a multiple of `chunk`.
      counts: [m].
      queries: [m, d] float32, d a power of two.
      items: [n, d] float32.
      norms: [n].
      chunk: distances computed at once.
      warps: warps of a program.
      stages: loads that the compiler may have in flight.
      interpret: whether to run without a GPU, slowly.

    Returns:
      [m, s], undefined beyond a row's count.
    """
    m, slots = columns.shape
    n, d = items.shape

    def kernel(counts_ref, queries_ref, columns_ref, items_ref, norms_ref, out_ref) -> None:
        q = queries_ref[...]
        count = jnp.minimum(counts_ref[0], slots)
        feature = jnp.broadcast_to(jnp.arange(d, dtype=jnp.int32)[None, :], (chunk, d))

        def one_chunk(i: Array, carry: Array) -> Array:
            part = pl.ds(i * chunk, chunk)
            valid = i * chunk + jnp.arange(chunk, dtype=jnp.int32) < count
            column = jnp.where(valid, columns_ref[part], 0)
            row = jnp.broadcast_to(column[:, None], (chunk, d))
            x = items_ref[row, feature]
            out_ref[part] = norms_ref[column] + jnp.sum(x * q[None, :], axis=1)
            return carry

        chunks = jax.lax.div(count + (chunk - 1), jnp.int32(chunk))
        jax.lax.fori_loop(0, chunks, one_chunk, jnp.int32(0))

    return pl.pallas_call(
        kernel,
        out_shape=jax.ShapeDtypeStruct((m, slots), jnp.float32),
        grid=(m,),
        in_specs=[
            pl.BlockSpec((1,), lambda i: (i,)),
            pl.BlockSpec((None, d), lambda i: (i, 0)),
            pl.BlockSpec((None, slots), lambda i: (i, 0)),
            pl.BlockSpec((n, d), lambda i: (0, 0)),
            pl.BlockSpec((n,), lambda i: (0,)),
        ],
        out_specs=pl.BlockSpec((None, slots), lambda i: (i, 0)),
        compiler_params=pl_triton.CompilerParams(num_warps=warps, num_stages=stages),
        interpret=interpret,
        name="distances_at",
    )(counts, queries, columns, items, norms)
