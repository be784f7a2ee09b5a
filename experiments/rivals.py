"""The engines that smoothing is measured against, each as a user would call it.

Every function takes scores [n], features [n, d] (NumPy, float32) and k and returns Eq. 7's [n].
Each drops the item itself by asking for one neighbour more: the features measured hold no
duplicates.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

BLOCK_BYTES = 2**26


def _mean_of(scores: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Mean over the item, which comes first, and its k - 1 nearest."""
    return scores[numbers].mean(1)


def faiss_flat(scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """FAISS, exact index, blocks of 4,096 queries."""
    import faiss

    index = faiss.IndexFlatL2(features.shape[1])
    index.add(features)
    step = range(0, len(features), 4096)
    return np.concatenate(
        [_mean_of(scores, index.search(features[i : i + 4096], k)[1]) for i in step]
    )


def _torch_blocks(features):
    rows = max(1, BLOCK_BYTES // (4 * len(features)))
    return (features[i : i + rows] for i in range(0, len(features), rows))


def _torch_inputs(scores: np.ndarray, features: np.ndarray):
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch, torch.from_numpy(scores).to(device), torch.from_numpy(features).to(device)


def torch_cdist(scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """PyTorch: cdist, topk, gather."""
    torch, s, f = _torch_inputs(scores, features)
    out = []
    for q in _torch_blocks(f):
        numbers = torch.cdist(q, f).topk(k, largest=False, sorted=False).indices
        out.append(s[numbers].mean(1))
    return torch.cat(out).cpu().numpy()


def torch_matmul(scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """PyTorch: norms less twice the product, topk, gather."""
    torch, s, f = _torch_inputs(scores, features)
    norms, out = (f**2).sum(1), []
    for q in _torch_blocks(f):
        near = torch.addmm(norms[None], q, f.T, alpha=-2)
        out.append(s[near.topk(k, largest=False, sorted=False).indices].mean(1))
    return torch.cat(out).cpu().numpy()


def torch_grid(scores: np.ndarray, features: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """PyTorch for several K: one sorted topk, cumulative means. Returns [len(ks), n]."""
    torch, s, f = _torch_inputs(scores, features)
    norms, out = (f**2).sum(1), []
    for q in _torch_blocks(f):
        near = torch.addmm(norms[None], q, f.T, alpha=-2)
        sums = s[near.topk(max(ks), largest=False, sorted=True).indices].cumsum(1)
        out.append(sums[:, np.asarray(ks) - 1] / torch.tensor(ks, device=s.device))
    return torch.cat(out).T.cpu().numpy()


def sklearn_brute(scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """scikit-learn, brute force (its trees lose at such widths)."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(features)
    return _mean_of(scores, found.kneighbors(features, return_distance=False))


def jax_top_k(scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """Plain jax.lax.top_k and gather, block by block."""
    rows = max(1, min(len(features), BLOCK_BYTES // (4 * len(features))))
    return np.asarray(_jax_top_k(scores, features, k, rows))


def product(scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """The floor: the same blocks of the product alone, each row's maximum."""
    from jax_dns.scoring.engine import block_rows

    rows = min(len(features), block_rows(len(features)))
    return np.asarray(_product(features, rows))


def _blocks(x, rows: int):
    return jnp.pad(x, ((0, -len(x) % rows), (0, 0))).reshape(-1, rows, x.shape[1])


@functools.partial(jax.jit, static_argnums=(2, 3))
def _jax_top_k(scores, features, k: int, rows: int):
    norms = jnp.sum(features**2, axis=1)

    def block(q):
        products = jnp.matmul(q, features.T, precision=jax.lax.Precision.HIGHEST)
        return scores[jax.lax.top_k(2 * products - norms, k)[1]].mean(1)

    return jax.lax.map(block, _blocks(features, rows)).reshape(-1)[: len(scores)]


@functools.partial(jax.jit, static_argnums=1)
def _product(features, rows: int):
    def block(q):
        return jnp.matmul(q, features.T, precision=jax.lax.Precision.HIGHEST).max(1)

    return jax.lax.map(block, _blocks(features, rows)).reshape(-1)[: len(features)]


RIVALS = {
    "faiss": faiss_flat,
    "torch cdist": torch_cdist,
    "torch matmul": torch_matmul,
    "sklearn": sklearn_brute,
    "jax top_k": jax_top_k,
}
