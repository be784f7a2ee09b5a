"""The floor of a search without an index: the product of queries and features alone.

Both products write every block of queries times features and discard it. They use the same blocks
as the baselines, in float32 without TF32.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from knn_baselines import block_rows, torch_blocks, torch_tensors
from machine import jax_device, jax_memory, torch_device


def xla_product(queries: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Multiplies with XLA; returns the first column, [m]."""
    rows = min(len(queries), block_rows(len(features), jax_memory()))
    return np.asarray(_product_of_blocks(queries, features, rows))


def torch_product(queries: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Multiplies with PyTorch into one block used again and again; returns the first column."""
    import torch

    q, f = torch_tensors(queries, features)
    out, columns = None, []
    for block in torch_blocks(q, len(f)):
        out = torch.empty(len(block), len(f), device=f.device) if out is None else out
        columns.append(torch.mm(block, f.T, out=out[: len(block)])[:, 0].clone())
    return torch.cat(columns).cpu().numpy()


@functools.partial(jax.jit, static_argnums=2)
def _product_of_blocks(queries, features, rows: int):
    def product(block):
        out = jnp.matmul(block, features.T, precision=jax.lax.Precision.HIGHEST)
        return jax.lax.optimization_barrier(out)[:, 0]  # else XLA computes the column alone

    padded = jnp.pad(queries, ((0, -len(queries) % rows), (0, 0)))
    blocks = padded.reshape(-1, rows, queries.shape[1])
    return jax.lax.map(product, blocks).reshape(-1)[: len(queries)]


PRODUCTS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Callable[[], str]]] = {
    "XLA product": (xla_product, jax_device),
    "torch product": (torch_product, torch_device),
}
