"""How well candidate scores separate unlabelled items from known normals, see `adaptive`."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jax_dns.smoothing.neighbor_search import neighbors
from jax_dns.types import ArrayLike

GATE = 2.5
WEIGHTS = (0.75, 0.5, 0.25, 0.1)
FUSION_WEIGHTS = (*WEIGHTS, 0.0)  # of a_G beside another score
PERMUTATIONS = 39


def mix_candidates(
    g: Float[np.ndarray, " n"], smoothed: Float[np.ndarray, "k n"], ks: list[int]
) -> Float[np.ndarray, "c n"]:
    """Returns c_0 and, for each K, c_{K,w} for each weight w.

    Args:
      g: [n] Gaussian scores of unlabelled items and known normals.
      smoothed: [len(ks), n] Eq. 7's means of g.
      ks: the Ks, 2 or more.

    Returns:
      [1 + 4 len(ks), n].
    """
    k = np.asarray(ks)[:, None]
    means = standardise((k * smoothed - g) / (k - 1))
    own, weights = standardise(g[None]), np.asarray(WEIGHTS)[:, None]
    mixed = weights * own + (1 - weights) * means[:, None]
    return np.concatenate([own, mixed.reshape(-1, len(g))])


def mix_scores(
    g: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "c n"]:
    """Returns mixtures of two Gaussian scores, for each weight w of the first.

    Args:
      g: [n] of a_G.
      other: [n] of another score.

    Returns:
      [5, n].
    """
    own, other = (standardise(x[None]) for x in (g, other))
    weights = np.asarray(FUSION_WEIGHTS)[:, None]
    return weights * own + (1 - weights) * other


def standardise(values: Float[np.ndarray, "c n"]) -> Float[np.ndarray, "c n"]:
    """Returns rows of mean 0 and deviation 1; constant rows become 0."""
    centred = values - values.mean(1, keepdims=True)
    return centred / (centred.std(1, keepdims=True) + 1e-12)


def separations(
    candidates: Float[np.ndarray, "c n"], *, n_unlabelled: int
) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """Returns Delta and s of every candidate against the first.

    Compiled once for shapes up to the next power of two, not for each section's.

    Args:
      candidates: [c, n] scores, those of the unlabelled items first; row 0 is c_0.
      n_unlabelled: |U|.

    Returns:
      Delta [c] and s [c]; both 0 for the first.
    """
    count, n = candidates.shape
    unlabelled, known = candidates[:, :n_unlabelled], candidates[:, n_unlabelled:]
    sizes = np.asarray([n_unlabelled, n - n_unlabelled], np.float32)
    gain, error = _separations(_pad(unlabelled), _pad(known), sizes)
    return np.asarray(gain)[:count], np.asarray(error)[:count]


def _pad(values: Float[np.ndarray, "c n"]) -> Float[np.ndarray, "rows columns"]:
    """Pads both dimensions to powers of two with infinities, which lie above all scores."""
    shape = [1 << (size - 1).bit_length() for size in values.shape]
    padded = np.full(shape, np.inf, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    return padded


@jax.jit
def _separations(
    unlabelled: Float[Array, "c m"], known: Float[Array, "c r"], sizes: Float[Array, "2"]
) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
    def moments(
        values: Float[Array, "c v"], others: Float[Array, "c o"], sizes: Float[Array, "2"]
    ) -> tuple[Float[Array, " c"], Float[Array, " c"]]:
        """Returns mean and squared standard error of a placement's change against c_0."""
        share = jax.vmap(_count_below)(others, values) / sizes[1]
        change = jnp.where(jnp.arange(values.shape[1]) < sizes[0], share - share[:1], 0)
        mean = change.sum(1) / sizes[0]
        return mean, ((change**2).sum(1) / sizes[0] - mean**2) / sizes[0]

    gain, variance = moments(unlabelled, known, sizes)
    _, known_variance = moments(known, unlabelled, sizes[::-1])
    return gain, jnp.sqrt(jnp.maximum(variance + known_variance, 0))


def _count_below(items: Float[Array, " n"], values: Float[Array, " m"]) -> Float[Array, " m"]:
    """Counts the items below each value, ties half."""
    items = jnp.sort(items)
    left, right = (jnp.searchsorted(items, values, side=side) for side in ("left", "right"))
    return (left + right) / 2


def choose(
    gain: Float[ArrayLike, " c"], error: Float[ArrayLike, " c"], *, gate: float = GATE
) -> tuple[int, float]:
    """Returns the candidate to take, 0 for a_G, and the largest Delta / s.

    Args:
      gain: [c] Delta; the first is c_0's, 0.
      error: [c] s.
      gate: the ratio that some candidate must reach.
    """
    gain, error = np.asarray(gain), np.asarray(error)
    if len(gain) < 2:
        return 0, float("nan")
    ratio = float((gain[1:] / np.maximum(error[1:], 1e-9)).max())
    bound = np.append(0.0, (gain - error)[1:])
    return (int(bound.argmax()) if ratio >= gate else 0), ratio


def permutation_p_value(
    g: Float[np.ndarray, " n"],
    features: Float[np.ndarray, "n d"],
    ks: list[int],
    *,
    n_unlabelled: int,
    metric: str = "euclidean",
) -> float:
    """Tests whether neighbours of the unlabelled items score higher than those of known normals.

    The statistic is the largest over K of D_K = mean over U of m_K - mean over R of m_K, in
    deviations of D_K over the permutations. Where scores have nothing to do with features and with
    U and R, all orders of the scores are equally likely, however few items there are and however
    the features cluster: then the value is at most p with probability p.

    Args:
      g: [n] Gaussian scores, those of the unlabelled items first.
      features: [n, d].
      ks: the Ks, 2 or more, in ascending order.
      n_unlabelled: |U|.
      metric: see `smooth`.

    Returns:
      The share of 40 orders, g's own among them, whose statistic is as large as g's.
    """
    rng = np.random.default_rng(0)
    orders = np.stack([g, *(rng.permutation(g) for _ in range(PERMUTATIONS))])
    indices, _ = neighbors(np.asarray(features), max(ks), metric=metric)
    differences = orders @ mean_differences(indices[:, 1:], ks, n_unlabelled)
    deviations = (differences - differences.mean(0)) / (differences.std(0) + 1e-12)
    largest = deviations.max(1)
    return float((largest >= largest[0]).mean())


def mean_differences(
    indices: Int[np.ndarray, "n k"], ks: list[int], n_unlabelled: int
) -> Float[np.ndarray, "n c"]:
    """Returns the coefficients of g in D_K, for each K: D = g @ coefficients.

    Args:
      indices: [n, max(ks) - 1] neighbours of each item, nearest first.
      ks: the Ks, 2 or more, in ascending order.
      n_unlabelled: |U|; the unlabelled items come first.
    """
    n = len(indices)
    of_item = np.full(n, 1 / n_unlabelled)
    of_item[n_unlabelled:] = -1 / (n - n_unlabelled)
    sums, columns, first = np.zeros(n), [], 0
    for k in ks:
        nearest = indices[:, first : k - 1]
        weights = np.repeat(of_item, nearest.shape[1])
        sums += np.bincount(nearest.ravel(), weights, minlength=n)
        columns.append(sums / (k - 1))
        first = k - 1
    return np.stack(columns, axis=1)
