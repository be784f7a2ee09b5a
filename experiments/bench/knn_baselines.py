"""The engines that smoothing is measured against, each as a user would call it.

Every function takes query features [m, d], scores [n], features [n, d] (NumPy, float32) and k and
returns the sum of the scores of each query's k nearest, [m]. `smoothed` makes Eq. 7 of that. Where
the queries are the items, an item itself comes first: the features measured hold no duplicates.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

BLOCK_BYTES = 2**24  # beyond 32 MiB glibc maps a block anew each time


def smoothed(rival, scores: np.ndarray, features: np.ndarray, k: int, new=None) -> np.ndarray:
    """Eq. 7 by a rival, of the items themselves or of new ones (their scores, their features)."""
    if new is None:
        return rival(features, scores, features, k) / np.float32(k)
    return (new[0] + rival(new[1], scores, features, k - 1)) / np.float32(k)


def faiss_flat(queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """FAISS, exact index, blocks of 4,096 queries."""
    import faiss

    index = faiss.IndexFlatL2(features.shape[1])
    index.add(features)
    step = range(0, len(queries), 4096)
    return np.concatenate([scores[index.search(queries[i : i + 4096], k)[1]].sum(1) for i in step])


def _torch_blocks(queries, items):
    rows = max(1, BLOCK_BYTES // (4 * len(items)))
    return (queries[i : i + rows] for i in range(0, len(queries), rows))


def _torch_inputs(*arrays: np.ndarray):
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch, *(torch.from_numpy(x).to(device) for x in arrays)


def torch_cdist(
    queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int
) -> np.ndarray:
    """PyTorch: cdist, topk, gather."""
    torch, q, s, f = _torch_inputs(queries, scores, features)
    out = []
    for block in _torch_blocks(q, f):
        numbers = torch.cdist(block, f).topk(k, largest=False, sorted=False).indices
        out.append(s[numbers].sum(1))
    return torch.cat(out).cpu().numpy()


def torch_matmul(
    queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int
) -> np.ndarray:
    """PyTorch: norms less twice the product, topk, gather."""
    torch, q, s, f = _torch_inputs(queries, scores, features)
    norms, out = (f**2).sum(1), []
    for block in _torch_blocks(q, f):
        near = torch.addmm(norms[None], block, f.T, alpha=-2)
        out.append(s[near.topk(k, largest=False, sorted=False).indices].sum(1))
    return torch.cat(out).cpu().numpy()


def torch_grid(scores: np.ndarray, features: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """PyTorch for several K: one sorted topk, cumulative means. Returns [len(ks), n]."""
    torch, s, f = _torch_inputs(scores, features)
    norms, out = (f**2).sum(1), []
    for q in _torch_blocks(f, f):
        near = torch.addmm(norms[None], q, f.T, alpha=-2)
        sums = s[near.topk(max(ks), largest=False, sorted=True).indices].cumsum(1)
        out.append(sums[:, np.asarray(ks) - 1] / torch.tensor(ks, device=s.device))
    return torch.cat(out).T.cpu().numpy()


def sklearn_brute(
    queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int
) -> np.ndarray:
    """scikit-learn, brute force (its trees lose at such widths)."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(features)
    return scores[found.kneighbors(queries, return_distance=False)].sum(1)


def jax_top_k(queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """Plain jax.lax.top_k and gather, block by block."""
    rows = max(1, min(len(queries), BLOCK_BYTES // (4 * len(features))))
    return np.asarray(_jax_top_k(queries, scores, features, k, rows))


def product(queries: np.ndarray, features: np.ndarray) -> np.ndarray:
    """The floor: the same blocks of the product alone, each row's maximum."""
    from jax_dns.smoothing.engine.grouped import block_rows

    rows = min(len(queries), block_rows(len(features)))
    return np.asarray(_product(queries, features, rows))


def _blocks(x, rows: int):
    return jnp.pad(x, ((0, -len(x) % rows), (0, 0))).reshape(-1, rows, x.shape[1])


@functools.partial(jax.jit, static_argnums=(3, 4))
def _jax_top_k(queries, scores, features, k: int, rows: int):
    norms = jnp.sum(features**2, axis=1)

    def block(q):
        products = jnp.matmul(q, features.T, precision=jax.lax.Precision.HIGHEST)
        return scores[jax.lax.top_k(2 * products - norms, k)[1]].sum(1)

    return jax.lax.map(block, _blocks(queries, rows)).reshape(-1)[: len(queries)]


@functools.partial(jax.jit, static_argnums=2)
def _product(queries, features, rows: int):
    def block(q):
        return jnp.matmul(q, features.T, precision=jax.lax.Precision.HIGHEST).max(1)

    return jax.lax.map(block, _blocks(queries, rows)).reshape(-1)[: len(queries)]


RIVALS = {
    "faiss": faiss_flat,
    "torch cdist": torch_cdist,
    "torch matmul": torch_matmul,
    "sklearn": sklearn_brute,
    "jax top_k": jax_top_k,
}
