"""k-NN with local density normalisation (Wilkinghoff et al. 2025).

Target features are few and lie sparsely, so that plain distances to them are larger than those to
source features. Each distance is divided by that of the training feature to its own neighbours.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.inlier.kmeans import cluster_centers
from jax_dns.inlier.knn import check_counts, nearest_distances
from jax_dns.types import Facts, InlierModel

SMALLEST = 1e-6  # the least mean distance to divide by, where features coincide


class Bank(NamedTuple):
    """Reference features, and the mean distance of each to its K nearest."""

    features: Float[np.ndarray, "n d"]
    spacing: Float[np.ndarray, " n"]


def local_density(
    facts: Facts, *, ks: tuple[int, ...] = (4, 16), n_clusters: int = 16
) -> InlierModel:
    """Builds the component.

    Args:
      facts: of the data; not used.
      ks: numbers of neighbours K that the density is taken over, in order of preference; where
        there are fewer, all of them.
      n_clusters: k-means centres of the source domain; every target feature stands beside them.

    Returns:
      The inlier model. Its score is min_y d(x, y) / [(1/K) sum_k d(y, y_k)] over the bank, with
      d = (1 - cosine) / 2 and y_k the K features of the bank nearest to y.

    Raises:
      InputError: numbers below 1.
    """
    check_counts("ks", ks)
    check_counts("n_clusters", (n_clusters,))

    def fit(features, is_target_domain, setting, seed) -> Bank:
        source, target = features[~is_target_domain], features[is_target_domain]
        if len(source):
            source = cluster_centers(source, n_clusters, metric="cosine", seed=seed)
        bank = np.concatenate([source, target])
        # The first neighbour is the feature itself, at distance 0.
        distances = nearest_distances(bank, bank, int(setting) + 1, metric="cosine")[:, 1:] / 2
        spacing = distances.mean(1) if distances.size else np.ones(len(bank), bank.dtype)
        return Bank(bank, np.maximum(spacing, SMALLEST))

    def score(bank: Bank, features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        from sklearn.metrics.pairwise import cosine_distances

        return (cosine_distances(features, bank.features) / 2 / bank.spacing).min(1)

    return InlierModel("LDN", tuple(ks), fit, score)
