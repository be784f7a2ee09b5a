"""h: the inlier model of SerialOE's second stage, and its anomaly score.

scikit-learn fits the Gaussian mixture; the score, its negative log-likelihood, is computed in jnp.
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from jax_dns.errors import InputError
from jax_dns.types import ArrayLike


class Mixture(NamedTuple):
    """A Gaussian mixture, ready to be scored in float32."""

    log_weights: Float[np.ndarray, " c"]  # with each component's normalising constant
    means: Float[np.ndarray, "c d"]
    means_rest: Float[np.ndarray, "c d"]  # what float32 rounds off the means
    precisions: Float[np.ndarray, "c d d"]  # upper Cholesky factors of the inverse covariances


def fit_mixture(
    features: Float[np.ndarray, "n d"],
    n_components: int,
    *,
    seed: int = 0,
    regularisation: float = 1e-6,
) -> Mixture:
    """Fits a full-covariance mixture with scikit-learn.

    Args:
      features: [n, d] f_D of normal training segments.
      n_components: clusters.
      seed: of the initialisation.
      regularisation: added to the covariances' diagonals.

    Returns:
      The mixture.

    Raises:
      InputError: fewer segments than clusters, values that aren't finite, or a covariance that
        `regularisation` is too small for.
    """
    if len(features) < n_components:
        raise InputError(
            f"inlier: {len(features)} segments, expected at least {n_components}, one a cluster"
        )
    if not np.isfinite(features).all():
        raise InputError("inlier: features that aren't finite")
    model = GaussianMixture(n_components, reg_covar=regularisation, random_state=seed)
    with warnings.catch_warnings():
        # 100 iterations are enough for a score; few segments leave some clusters moving.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(np.asarray(features, np.float64))
        except ValueError as error:  # the other causes are looked at above
            raise InputError(
                f"inlier: {n_components} clusters of {len(features)} segments have a covariance "
                f"without an inverse (inlier.regularisation is {regularisation:g}, expected more)"
            ) from error
    return from_sklearn(model)


def from_sklearn(model: GaussianMixture) -> Mixture:
    """Takes over a fitted full-covariance `GaussianMixture`."""
    cholesky = model.precisions_cholesky_
    log_det = np.log(np.diagonal(cholesky, axis1=1, axis2=2)).sum(1)
    constant = log_det - 0.5 * cholesky.shape[1] * np.log(2 * np.pi)
    means = model.means_.astype(np.float32)
    return Mixture(
        (np.log(model.weights_) + constant).astype(np.float32),
        means,
        (model.means_ - means).astype(np.float32),
        cholesky.astype(np.float32),
    )


@jax.jit
def negative_log_likelihood(
    mixture: Mixture, features: Float[ArrayLike, "n d"]
) -> Float[ArrayLike, " n"]:
    """SerialOE's anomaly score of each segment.

    Args:
      mixture: h.
      features: [n, d] f_D.

    Returns:
      [n] nats.
    """

    def one_component(parts: tuple[Array, Array, Array]) -> Float[ArrayLike, " n"]:
        mean, rest, precision = parts
        # x - mu before the product, and mu to twice float32's digits: where a cluster is narrow,
        # the product of each by itself would lose what the difference holds.
        centred = (features - mean[None]) - rest[None]
        projected = jnp.matmul(centred, precision, precision=jax.lax.Precision.HIGHEST)
        return jnp.sum(projected**2, axis=-1)

    squares = jax.lax.map(one_component, tuple(jnp.asarray(x) for x in mixture[1:]))
    return -jax.nn.logsumexp(mixture.log_weights[:, None] - 0.5 * squares, axis=0)
