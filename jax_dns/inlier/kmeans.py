"""k-means: the distance to the nearest centre of the training features.

With 16 centres, the cosine distance and the target domain's features beside the centres, it is the
anomaly score of sub-cluster AdaCos (Wilkinghoff 2021, ref. [12]).
"""

import numpy as np
from jaxtyping import Float

from jax_dns.inlier.knn import check_counts, check_metric, nearest_distances
from jax_dns.types import Facts, InlierModel


def kmeans(
    facts: Facts,
    *,
    n_clusters: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
    metric: str = "cosine",
    keep_target: bool = True,
) -> InlierModel:
    """Builds the component.

    Args:
      facts: of the data; not used.
      n_clusters: numbers of centres to choose from, in order of preference.
      metric: "cosine" (features are scaled to unit length first) or "euclidean".
      keep_target: put every feature of the target domain beside the centres.

    Returns:
      The inlier model. Its score is the distance to the nearest centre or kept feature.

    Raises:
      InputError: an unknown metric, or numbers of centres below 1.
    """
    check_metric(metric)
    check_counts("n_clusters", n_clusters)

    def fit(features, is_target_domain, setting, seed) -> dict[str, np.ndarray]:
        centers = cluster_centers(features, int(setting), metric=metric, seed=seed)
        target = features[is_target_domain] if keep_target else features[:0]
        return {"bank": np.concatenate([centers, target])}

    def score(
        variables: dict[str, np.ndarray], features: Float[np.ndarray, "m d"]
    ) -> Float[np.ndarray, " m"]:
        return nearest_distances(variables["bank"], features, 1, metric=metric)[:, 0]

    return InlierModel("k-means", tuple(n_clusters), fit, score, fewest=int)


def cluster_centers(
    features: Float[np.ndarray, "n d"], n_clusters: int, *, metric: str, seed: int
) -> Float[np.ndarray, "c d"]:
    """Fits k-means with scikit-learn.

    Args:
      features: [n, d].
      n_clusters: at most n centres are returned, fewer where features coincide.
      metric: with "cosine" features are scaled to unit length first.
      seed: of the initialisation.

    Returns:
      The centres.
    """
    from sklearn.cluster import KMeans

    if metric == "cosine":
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        features = features / np.where(norms > 0, norms, 1)
    distinct = len(np.unique(features, axis=0))
    model = KMeans(min(n_clusters, distinct), n_init=3, random_state=seed)
    return model.fit(features).cluster_centers_.astype(features.dtype)
