"""The Mahalanobis distance with a shrunk covariance; needs no hyperparameter."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jax_dns.types import Facts, InlierModel


class Gaussian(NamedTuple):
    """A mean and the inverse of a shrunk covariance."""

    mean: Float[np.ndarray, " d"]
    precision: Float[np.ndarray, "d d"]


def mahalanobis(facts: Facts) -> InlierModel:
    """Builds the component.

    The covariance is shrunk towards a multiple of the identity by Ledoit and Wolf's rule, so that
    it can be inverted with fewer segments than dimensions.

    Args:
      facts: of the data; not used.

    Returns:
      The inlier model. Its score is the squared Mahalanobis distance to the training mean.
    """

    def fit(features, is_target_domain, setting, seed) -> Gaussian:
        from sklearn.covariance import LedoitWolf

        model = LedoitWolf().fit(features.astype(np.float64))
        return Gaussian(model.location_, model.precision_)

    return InlierModel("", (0,), fit, squared_distance)


def squared_distance(
    gaussian: Gaussian, features: Float[np.ndarray, "m d"]
) -> Float[np.ndarray, " m"]:
    """Computes (x - mean)^T precision (x - mean) of each row."""
    centred = features - gaussian.mean
    return np.einsum("md,de,me->m", centred, gaussian.precision, centred, optimize=True)
