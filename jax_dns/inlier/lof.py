"""The local outlier factor (Breunig et al. 2000) of new features among the training features."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.inlier.knn import check_counts, check_metric
from jax_dns.types import Facts, InlierModel

EPSILON = 1e-10  # added to a mean distance before its inverse, as in scikit-learn


class Neighborhoods(NamedTuple):
    """Training features and their densities."""

    features: Float[np.ndarray, "n d"]
    kth_distance: Float[np.ndarray, " n"]  # to each feature's own k-th neighbour
    density: Float[np.ndarray, " n"]  # local reachability density
    k: int


def lof(
    facts: Facts, *, ks: tuple[int, ...] = (4, 8, 16, 32), metric: str = "euclidean"
) -> InlierModel:
    """Builds the component.

    Args:
      facts: of the data; not used.
      ks: numbers of neighbours to choose from, in order of preference.
      metric: "cosine" or "euclidean".

    Returns:
      The inlier model. Its score is 1 where a segment lies as densely as its neighbours do, more
      where it lies apart.

    Raises:
      InputError: an unknown metric, or numbers of neighbours below 1.
    """
    check_metric(metric)
    check_counts("ks", ks)

    def fit(features, is_target_domain, setting, seed) -> Neighborhoods:
        k = int(setting)
        distances, neighbors = _search(features, k, metric).kneighbors()
        kth = distances[:, -1]
        return Neighborhoods(features, kth, reachability_density(distances, kth[neighbors]), k)

    def score(training: Neighborhoods, features: Float[np.ndarray, "m d"]) -> np.ndarray:
        distances, neighbors = _search(training.features, training.k, metric).kneighbors(features)
        density = reachability_density(distances, training.kth_distance[neighbors])
        return training.density[neighbors].mean(1) / density

    return InlierModel("LOF", tuple(ks), fit, score, fewest=lambda k: int(k) + 1)


def reachability_density(
    distances: Float[np.ndarray, "m k"], neighbors_kth: Float[np.ndarray, "m k"]
) -> Float[np.ndarray, " m"]:
    """Computes the inverse of the mean reachability distance to the k neighbours.

    Args:
      distances: [m, k] to the neighbours.
      neighbors_kth: [m, k] each neighbour's distance to its own k-th neighbour.
    """
    return 1 / (np.maximum(distances, neighbors_kth).mean(1) + EPSILON)


def _search(features: np.ndarray, k: int, metric: str) -> Any:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(features)
