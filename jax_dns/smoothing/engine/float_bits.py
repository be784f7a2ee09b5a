"""Floats as integers in the same order, for bisection that ends at neighbouring floats."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def float_to_ordered(x: Float[Array, "..."]) -> Int[Array, "..."]:
    """Maps floats to integers of the same size and in the same order."""
    kind = jnp.int32 if x.dtype.itemsize == 4 else jnp.int64
    bits = jax.lax.bitcast_convert_type(x, kind)
    return jnp.where(bits < 0, bits ^ jnp.iinfo(kind).max, bits)


def ordered_to_float(ordered: Int[Array, "..."], dtype: jnp.dtype) -> Float[Array, "..."]:
    """Undoes `float_to_ordered`."""
    bits = jnp.where(ordered < 0, ordered ^ jnp.iinfo(ordered.dtype).max, ordered)
    return jax.lax.bitcast_convert_type(bits, dtype)
