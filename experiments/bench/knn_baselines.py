"""Other k-nearest-neighbour engines, each called as its users would call it on that device.

A baseline takes query features [m, d], scores [n], features [n, d] (NumPy, float32) and k, and
returns the sum of the scores of each query's k nearest items, [m]. `smooth_with` makes Eq. 7 of it.
Products are in float32 everywhere, without TF32. Distances are computed in blocks of queries that
fit the device: 2^28 values on an accelerator, 2^22 on a CPU, whose caches hold them.
"""

import functools
import inspect
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from machine import cpu_name, jax_device, jax_memory, torch_device

ACCELERATOR_VALUES = 2**28  # of a block of distances: 1 GiB of float32
CPU_VALUES = 2**22  # 16 MiB; beyond 32 MiB glibc maps a block anew in each call
FAISS_QUERIES = 4096
RECALL_TARGET = 0.95  # XLA's default for approx_max_k

Baseline = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


def smooth_with(
    baseline: Baseline,
    scores: np.ndarray,
    features: np.ndarray,
    k: int,
    queries: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Smooths scores by Eq. 7 with another engine's neighbours.

    Args:
      baseline: the engine.
      scores: [n] anomaly scores.
      features: [n, d] features without duplicates: the nearest of an item is the item itself.
      k: K, the item itself counted.
      queries: scores [m] and features [m, d] of new items; None smooths the items themselves.

    Returns:
      Smoothed scores, [n] or [m].
    """
    if queries is None:
        return baseline(features, scores, features, k) / np.float32(k)
    return (queries[0] + baseline(queries[1], scores, features, k - 1)) / np.float32(k)


def block_rows(n_items: int, memory: int | None) -> int:
    """Returns the number of queries in a block of distances.

    Args:
      n_items: columns of the block.
      memory: bytes of the accelerator, of which a block takes an eighth at most; None for a CPU.
    """
    values = CPU_VALUES if memory is None else min(ACCELERATOR_VALUES, memory // 32)
    return max(1, values // n_items)


def faiss_flat(queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """Searches FAISS's exact flat index, 4,096 queries at a time. It runs on the CPU."""
    import faiss

    index = faiss.IndexFlatL2(features.shape[1])
    index.add(features)
    starts = range(0, len(queries), FAISS_QUERIES)
    neighbours = (index.search(queries[i : i + FAISS_QUERIES], k)[1] for i in starts)
    return np.concatenate([scores[block].sum(1) for block in neighbours])


def sklearn_brute(
    queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int
) -> np.ndarray:
    """Searches with scikit-learn by brute force; its trees are slower at 128 dimensions."""
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(features)
    return scores[index.kneighbors(queries, return_distance=False)].sum(1)


def torch_tensors(*arrays: np.ndarray) -> tuple:
    """Returns the arrays on PyTorch's device, products set to float32 without TF32."""
    import torch

    torch.set_float32_matmul_precision("highest")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return tuple(torch.from_numpy(array).to(device) for array in arrays)


def torch_blocks(queries, n_items: int) -> Iterator:
    """Yields blocks of the queries, sized for the device that holds them."""
    import torch

    memory = torch.cuda.mem_get_info()[1] if queries.is_cuda else None
    yield from queries.split(block_rows(n_items, memory))


def torch_distances(queries, features) -> Iterator:
    """Yields |x|^2 - 2 q.x for blocks of queries, each block in the memory of the last."""
    import torch

    norms, out = (features**2).sum(1), None
    for block in torch_blocks(queries, len(features)):
        if out is None:
            out = torch.empty(len(block), len(features), device=features.device)
        yield torch.addmm(norms[None], block, features.T, alpha=-2, out=out[: len(block)])


def torch_cdist(
    queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int
) -> np.ndarray:
    """Searches with PyTorch's cdist and topk."""
    import torch

    q, s, f = torch_tensors(queries, scores, features)
    sums = []
    for block in torch_blocks(q, len(f)):
        nearest = torch.cdist(block, f).topk(k, largest=False, sorted=False).indices
        sums.append(s[nearest].sum(1))
    return torch.cat(sums).cpu().numpy()


def torch_matmul(
    queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int
) -> np.ndarray:
    """Searches with PyTorch's addmm (norms less twice the product) and topk."""
    import torch

    q, s, f = torch_tensors(queries, scores, features)
    sums = []
    for distances in torch_distances(q, f):
        sums.append(s[distances.topk(k, largest=False, sorted=False).indices].sum(1))
    return torch.cat(sums).cpu().numpy()


def torch_grid(scores: np.ndarray, features: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """Smooths for several K with one sorted topk and cumulative means, [len(ks), n]."""
    import torch

    s, f = torch_tensors(scores, features)
    means = []
    for distances in torch_distances(f, f):
        sums = s[distances.topk(max(ks), largest=False, sorted=True).indices].cumsum(1)
        means.append(sums[:, np.asarray(ks) - 1] / torch.tensor(ks, device=s.device))
    return torch.cat(means).T.cpu().numpy()


def jax_top_k(queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int) -> np.ndarray:
    """Searches with jax.lax.top_k; equal values keep their order."""
    return _jax_sums(queries, scores, features, k, jax.lax.top_k)


def jax_unstable_top_k(
    queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int
) -> np.ndarray:
    """Searches with jax.lax.top_k, equal values in any order: a faster kernel on a GPU.

    Raises:
      NotImplementedError: the installed JAX has no such option.
    """
    if "is_stable" not in inspect.signature(jax.lax.top_k).parameters:
        raise NotImplementedError(f"top_k of jax {jax.__version__} has no option is_stable")
    return _jax_sums(queries, scores, features, k, _unstable_top_k)


def jax_approx_max_k(
    queries: np.ndarray, scores: np.ndarray, features: np.ndarray, k: int
) -> np.ndarray:
    """Searches approximately with jax.lax.approx_max_k at its default recall target of 0.95."""
    return _jax_sums(queries, scores, features, k, _approx_max_k)


def approx_max_k_recall(queries: np.ndarray, features: np.ndarray, k: int) -> float:
    """Returns the share of the k nearest that approx_max_k returns, averaged over the queries."""
    search = jax.jit(_nearest, static_argnums=(2, 3))
    nearest = np.asarray(search(queries, features, k, _approx_max_k))
    x = features.astype(np.float64)
    hits = 0
    for query, indices in zip(queries, nearest):
        distances = ((x - query) ** 2).sum(1)
        kth = np.partition(distances, k - 1)[k - 1]
        hits += (distances[np.unique(indices)] <= kth * (1 + 1e-6)).sum()
    return hits / (k * len(queries))


def _jax_sums(queries, scores, features, k: int, select: Callable) -> np.ndarray:
    rows = min(len(queries), block_rows(len(features), jax_memory()))
    return np.asarray(_sums_of_blocks(queries, scores, features, k, rows, select))


@functools.partial(jax.jit, static_argnums=(3, 4, 5))
def _sums_of_blocks(queries, scores, features, k: int, rows: int, select: Callable):
    def sums(block):
        return scores[_nearest(block, features, k, select)].sum(1)

    padded = jnp.pad(queries, ((0, -len(queries) % rows), (0, 0)))
    blocks = padded.reshape(-1, rows, queries.shape[1])
    return jax.lax.map(sums, blocks).reshape(-1)[: len(queries)]


def _nearest(queries, features, k: int, select: Callable):
    products = jnp.matmul(queries, features.T, precision=jax.lax.Precision.HIGHEST)
    return select(2 * products - jnp.sum(features**2, axis=1)[None], k)[1]


def _unstable_top_k(x, k: int):
    return jax.lax.top_k(x, k, is_stable=False)


def _approx_max_k(x, k: int):
    return jax.lax.approx_max_k(x, k, recall_target=RECALL_TARGET)


# Name in tables and on the command line: the baseline, and the name of the device that it runs on.
BASELINES: dict[str, tuple[Baseline, Callable[[], str]]] = {
    "faiss": (faiss_flat, cpu_name),
    "torch cdist": (torch_cdist, torch_device),
    "torch matmul": (torch_matmul, torch_device),
    "sklearn": (sklearn_brute, cpu_name),
    "jax top_k": (jax_top_k, jax_device),
    "jax unstable top_k": (jax_unstable_top_k, jax_device),
    "jax approx_max_k": (jax_approx_max_k, jax_device),
}
APPROXIMATE = ("jax approx_max_k",)
CPU_ONLY = ("faiss", "sklearn")
