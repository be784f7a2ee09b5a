"""Depthwise convolution and its derivatives on a GPU: Pallas kernels (Triton).

XLA tries cuDNN's kernels one by one for each shape, and cuDNN prepares the chosen ones anew in
each process. With the kernels here EfficientNet-B0's first training step comes after 26 s instead
of 61 (H100, batch 128, float32), and after 10 s instead of 16 with everything in the cache of
compiled programs; a step takes 35.3 ms instead of 32.6. Activations are read as rows [pixels,
channels]; a program holds a few pixels of a few channels and adds up the taps.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as pl_triton
from jaxtyping import Array, Float

TILE = 1024  # values of a program: pixels times channels
WARPS = 4
PROGRAMS = 4096  # of the kernel's gradient, at least, where the maps have as many pixels
CHANNEL_UNIT = 16  # channels of all of B0's layers are multiples of it, so that reads are aligned


class Geometry(NamedTuple):
    """Sizes of a convolution from maps [b, height, width, c] to [b, out_height, out_width, c]."""

    batch: int
    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    taps: int  # in each direction
    stride: int
    top: int  # rows of zeros above
    left: int  # columns of zeros before


class Tile(NamedTuple):
    """The pixels of a program, and their places in the batch."""

    pixel: Array  # [p]
    image: Array  # [p]
    row: Array  # [p]
    column: Array  # [p]


def fits(geometry: Geometry) -> bool:
    """Returns whether the kernels take maps of these sizes."""
    values = geometry.batch * geometry.height * geometry.width * geometry.channels
    return geometry.channels % CHANNEL_UNIT == 0 and values < 2**31


@partial(jax.jit, static_argnames=("geometry", "interpret"))
def convolve(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k c"],
    *,
    geometry: Geometry,
    interpret: bool = False,
) -> Float[Array, "b i j c"]:
    """Computes the convolution, summed in float32, in the dtype of `x`."""
    g = geometry

    def source(position: Array, tap: Array | int, before: int, size: int) -> tuple[Array, Array]:
        at = position * g.stride + (tap - before)
        return at, (at >= 0) & (at < size)

    return _sum_of_taps(x, kernel, (g.out_height, g.out_width), source, g, interpret)


@partial(jax.jit, static_argnames=("geometry", "interpret"))
def input_gradient(
    gradient: Float[Array, "b i j c"],
    kernel: Float[Array, "k k c"],
    *,
    geometry: Geometry,
    interpret: bool = False,
) -> Float[Array, "b h w c"]:
    """Computes the derivative by the input, given that by the output."""
    g = geometry

    def source(position: Array, tap: Array | int, before: int, size: int) -> tuple[Array, Array]:
        at = position + (before - tap)
        inside = (at >= 0) & (at < size * g.stride)
        quotient, remainder = _divide(at, g.stride)
        return quotient, inside & (remainder == 0)

    return _sum_of_taps(gradient, kernel, (g.height, g.width), source, g, interpret)


@partial(jax.jit, static_argnames=("geometry", "interpret"))
def kernel_gradient(
    x: Float[Array, "b h w c"],
    gradient: Float[Array, "b i j c"],
    *,
    geometry: Geometry,
    interpret: bool = False,
) -> Float[Array, "k k c"]:
    """Computes the derivative by the kernel, given that by the output.

    A program sums over some of the output's pixels for the taps of one of the kernel's rows; the
    sums of all parts are then added up.
    """
    g = geometry
    n_pixels = g.batch * g.out_height * g.out_width
    pixels, channels = _tile_shape(g.channels)
    n_blocks = pl.cdiv(g.channels, channels)
    steps = max(1, n_pixels * n_blocks * g.taps // (pixels * PROGRAMS))
    parts = pl.cdiv(n_pixels, steps * pixels)

    def add_up(x_ref, gradient_ref, out_ref) -> None:
        part, tap_row = pl.program_id(2), pl.program_id(0)
        channel = _channels(g)

        def step(i: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
            tile = _tile(part * steps + i, (g.out_height, g.out_width), g)
            grad = _read(gradient_ref, tile.pixel, channel, tile.pixel < n_pixels, g)
            at = tile.row * g.stride + tap_row - g.top
            row_inside = (at >= 0) & (at < g.height) & (tile.pixel < n_pixels)
            rows = (tile.image * g.height + at) * g.width
            added = []
            for tap in range(g.taps):
                column = tile.column * g.stride + (tap - g.left)
                inside = row_inside & (column >= 0) & (column < g.width)
                values = _read(x_ref, rows + column, channel, inside, g)
                added.append(sums[tap] + values * grad)
            return tuple(added)

        zeros = jnp.zeros((pixels, channels), jnp.float32)
        sums = jax.lax.fori_loop(0, steps, step, (zeros,) * g.taps)
        for tap, values in enumerate(sums):
            at = jnp.full_like(channel, (part * g.taps + tap_row) * g.taps + tap)
            pl_triton.store(out_ref.at[at, channel], values.sum(0), mask=channel < g.channels)

    sums = pl.pallas_call(
        add_up,
        out_shape=jax.ShapeDtypeStruct((parts * g.taps**2, g.channels), jnp.float32),
        grid=(g.taps, n_blocks, parts),  # the first runs fastest, so that rows of taps share reads
        compiler_params=pl_triton.CompilerParams(num_warps=WARPS, num_stages=1),
        interpret=interpret,
        name="depthwise_kernel_gradient",
    )(x.reshape(-1, g.channels), gradient.reshape(-1, g.channels))
    sums = sums.reshape(parts, g.taps, g.taps, g.channels)
    return jnp.sum(sums, 0).astype(x.dtype)


def gradients(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k k c"],
    gradient: Float[Array, "b i j c"],
    *,
    geometry: Geometry,
    interpret: bool = False,
) -> tuple[Float[Array, "b h w c"], Float[Array, "k k c"]]:
    """Computes the derivatives by input and kernel."""
    options = dict(geometry=geometry, interpret=interpret)
    return input_gradient(gradient, kernel, **options), kernel_gradient(x, gradient, **options)


def _sum_of_taps(
    maps: Array,
    kernel: Array,
    size: tuple[int, int],
    source: Callable[[Array, Array | int, int, int], tuple[Array, Array]],
    g: Geometry,
    interpret: bool,
) -> Array:
    """Sums, for each pixel of maps of another size, the taps times the pixels that they read.

    `source` returns, for positions along an axis, a tap and the zeros before, the position that is
    read along an axis of a given size, and whether there is one.
    """
    _, height, width, _ = maps.shape
    n_pixels = g.batch * size[0] * size[1]
    pixels, channels = _tile_shape(g.channels)

    def add_up(maps_ref, kernel_ref, out_ref) -> None:
        tile, channel = _tile(pl.program_id(0), size, g), _channels(g)
        in_range = channel < g.channels

        def add_row(i: Array, total: Array) -> Array:
            row, row_inside = source(tile.row, i, g.top, height)
            row_inside &= tile.pixel < n_pixels
            rows = (tile.image * height + row) * width
            for j in range(g.taps):
                column, inside = source(tile.column, j, g.left, width)
                values = _read(maps_ref, rows + column, channel, row_inside & inside, g)
                tap = jnp.full_like(channel, i * g.taps + j)
                weight = pl_triton.load(kernel_ref.at[tap, channel], mask=in_range, other=0.0)
                total += values * weight.astype(jnp.float32)[None, :]
            return total

        # A loop over the rows of taps: written out, 25 taps take three times as long to compile.
        total = jnp.zeros((pixels, channels), jnp.float32)
        total = jax.lax.fori_loop(0, g.taps, add_row, total)
        place, mask = _places(tile.pixel, channel, tile.pixel < n_pixels, g)
        pl_triton.store(out_ref.at[place], total.astype(maps.dtype), mask=mask)

    out = pl.pallas_call(
        add_up,
        out_shape=jax.ShapeDtypeStruct((n_pixels, g.channels), maps.dtype),
        grid=(pl.cdiv(n_pixels, pixels), pl.cdiv(g.channels, channels)),
        compiler_params=pl_triton.CompilerParams(num_warps=WARPS, num_stages=1),
        interpret=interpret,
        name="depthwise_sum_of_taps",
    )(maps.reshape(-1, g.channels), kernel.reshape(-1, g.channels))
    return out.reshape(g.batch, *size, g.channels)


def _tile_shape(channels: int) -> tuple[int, int]:
    """Returns the pixels and channels of a program."""
    block = 64 if channels % 64 == 0 else 32
    return TILE // block, block


def _channels(g: Geometry) -> Array:
    """Returns the program's channels."""
    block = _tile_shape(g.channels)[1]
    return pl.program_id(1) * block + jnp.arange(block, dtype=jnp.int32)


def _tile(number: Array, size: tuple[int, int], g: Geometry) -> Tile:
    """Returns the pixels of a tile of maps of that size."""
    pixels = _tile_shape(g.channels)[0]
    pixel = number * pixels + jnp.arange(pixels, dtype=jnp.int32)
    rows, column = _divide(pixel, size[1])
    image, row = _divide(rows, size[0])
    return Tile(pixel, image, row, column)


def _divide(x: Array, by: int) -> tuple[Array, Array]:
    """Returns quotient and remainder of whole numbers that aren't negative."""
    quotient = jax.lax.div(x, jnp.int32(by))
    return quotient, x - quotient * by


def _places(
    rows: Array, channel: Array, valid: Array, g: Geometry
) -> tuple[tuple[Array, Array], Array]:
    """Returns the indices of rows and channels, [p, c], and which of them exist."""
    shape = len(rows), len(channel)
    place = jnp.broadcast_to(rows[:, None], shape), jnp.broadcast_to(channel[None, :], shape)
    return place, valid[:, None] & (channel < g.channels)[None, :]


def _read(ref, rows: Array, channel: Array, valid: Array, g: Geometry) -> Array:
    """Reads rows of channels [p, c] as float32; 0 where they don't exist."""
    place, mask = _places(rows, channel, valid, g)
    return pl_triton.load(ref.at[place], mask=mask, other=0.0).astype(jnp.float32)
