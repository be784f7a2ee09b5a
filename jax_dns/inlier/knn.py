"""k-NN: the distance to the nearest normal training features, as in many DCASE systems."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.types import Facts, InlierModel

METRICS = ("cosine", "euclidean")


class Banks(NamedTuple):
    """Training features of the two domains; either may be empty."""

    source: Float[np.ndarray, "n d"]
    target: Float[np.ndarray, "m d"]
    k: int


def knn(
    facts: Facts,
    *,
    ks: tuple[int, ...] = (1,),
    metric: str = "cosine",
    per_domain: bool = True,
    smote_ratio: float = 0.0,
    smote_neighbors: int = 2,
) -> InlierModel:
    """Builds the component.

    Args:
      facts: of the data; not used.
      ks: numbers of neighbours to choose from, in order of preference.
      metric: "cosine" or "euclidean".
      per_domain: measure the distance to each domain by itself and take the smaller one.
      smote_ratio: oversample the target domain to this share of the source domain's segments; 0
        for none. Published systems use 0.2.
      smote_neighbors: neighbours that new target features are interpolated with.

    Returns:
      The inlier model. Its score is the mean distance to the k nearest; a domain with fewer
      features takes all of them.

    Raises:
      InputError: an unknown metric, or numbers out of range.
    """
    check_metric(metric)
    check_counts("ks", ks)
    check_smote(smote_ratio, smote_neighbors)

    def fit(features, is_target_domain, setting, seed) -> Banks:
        source, target = features[~is_target_domain], features[is_target_domain]
        missing = round(smote_ratio * len(source)) - len(target)
        if missing > 0 and len(target) > 1:
            new = smote(target, missing, n_neighbors=smote_neighbors, seed=seed)
            target = np.concatenate([target, new])
        if not per_domain:
            source, target = np.concatenate([source, target]), target[:0]
        return Banks(source, target, int(setting))

    def score(banks: Banks, features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        distances = [
            nearest_distances(bank, features, banks.k, metric=metric).mean(1)
            for bank in (banks.source, banks.target)
            if len(bank)
        ]
        return np.min(distances, axis=0)

    return InlierModel("k-NN", tuple(ks), fit, score, fewest=int)


def check_metric(metric: str) -> None:
    """Raises InputError for an unknown metric."""
    if metric not in METRICS:
        raise InputError(f"metric: {metric!r}, expected {' or '.join(METRICS)}")


def check_counts(field: str, values: tuple[int, ...]) -> None:
    """Raises InputError where a field's values aren't whole numbers of at least 1."""
    if not values or not all(type(value) is int and value >= 1 for value in values):
        raise InputError(f"{field}: {values!r}, expected whole numbers, 1 or more")


def check_smote(ratio: float, neighbors: int) -> None:
    """Raises InputError for a share or a number of neighbours out of range."""
    if ratio < 0 or neighbors < 1:
        raise InputError(
            f"smote_ratio: {ratio!r} with smote_neighbors {neighbors!r}, "
            "expected 0 or more, and 1 or more"
        )


def nearest_distances(
    bank: Float[np.ndarray, "n d"], features: Float[np.ndarray, "m d"], k: int, *, metric: str
) -> Float[np.ndarray, "m k"]:
    """Computes the distances to the k nearest rows of a bank, nearest first.

    Args:
      bank: [n, d].
      features: [m, d].
      k: the number of neighbours; at most n of them are returned.
      metric: "cosine" or "euclidean".

    Returns:
      [m, min(k, n)] distances.
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(k, len(bank)), metric=metric, algorithm="brute")
    return search.fit(bank).kneighbors(features)[0]


def smote(
    features: Float[np.ndarray, "n d"], count: int, *, n_neighbors: int, seed: int
) -> Float[np.ndarray, "{count} d"]:
    """Makes new features between a feature and one of its nearest (SMOTE, Chawla et al. 2002).

    Args:
      features: [n, d], two or more.
      count: the number of new features.
      n_neighbors: nearest features, one of which is drawn.
      seed: of the draws.

    Returns:
      [count, d], each x + u (y - x) with u uniform in [0, 1).
    """
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(seed)
    n = len(features)
    search = NearestNeighbors(n_neighbors=min(n_neighbors, n - 1)).fit(features)
    neighbors = search.kneighbors(return_distance=False)
    first = rng.integers(0, n, count)
    second = neighbors[first, rng.integers(0, neighbors.shape[1], count)]
    share = rng.random((count, 1)).astype(features.dtype)
    return features[first] + share * (features[second] - features[first])
