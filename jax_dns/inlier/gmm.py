"""The paper's h: a Gaussian mixture, whose negative log-likelihood is SerialOE's anomaly score.

scikit-learn fits the mixture; jnp computes the score.
"""

import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from threadpoolctl import threadpool_limits

from jax_dns.errors import InputError
from jax_dns.types import ArrayLike, Facts, InlierModel


class Mixture(NamedTuple):
    """A fitted Gaussian mixture, in the form that scores features in float32."""

    log_weights: Float[np.ndarray, " c"]  # with each component's normalising constant
    means: Float[np.ndarray, "c d"]
    means_rest: Float[np.ndarray, "c d"]  # what float32 rounds off the means
    precisions: Float[np.ndarray, "c d d"]  # upper Cholesky factors of the inverse covariances


def gmm(
    facts: Facts,
    *,
    n_components: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
    reg_covar: float = 1e-6,
) -> InlierModel:
    """Builds the component.

    Args:
      facts: of the data; not used.
      n_components: numbers of clusters to choose from, in order of preference.
      reg_covar: added to the covariances' diagonals.

    Returns:
      The inlier model.

    Raises:
      InputError: numbers of clusters that aren't whole numbers of at least 1.
    """
    if not n_components or not all(type(n) is int and n >= 1 for n in n_components):
        raise InputError(f"n_components: {n_components!r}, expected whole numbers, 1 or more")

    def fit(features, is_target_domain, setting, seed) -> Mixture:
        return fit_mixture(features, int(setting), seed=seed, reg_covar=reg_covar)

    return InlierModel("GMM", tuple(n_components), fit, negative_log_likelihood, fewest=int)


def fit_mixture(
    features: Float[np.ndarray, "n d"],
    n_components: int,
    *,
    seed: int = 0,
    reg_covar: float = 1e-6,
) -> Mixture:
    """Fits a full-covariance mixture with scikit-learn.

    Args:
      features: [n, d] f_D of normal training segments.
      n_components: clusters.
      seed: of scikit-learn's initialisation.
      reg_covar: added to the covariances' diagonals.

    Returns:
      The mixture.

    Raises:
      InputError: fewer segments than clusters, values that aren't finite, or a covariance that
        `reg_covar` is too small for.
    """
    from sklearn.exceptions import ConvergenceWarning

    if len(features) < n_components:
        raise InputError(
            f"inlier: {len(features)} segments, expected at least {n_components}, one per cluster"
        )
    if not np.isfinite(features).all():
        raise InputError("inlier: features that aren't finite")
    with warnings.catch_warnings():
        # 100 iterations are enough for a score; few segments leave some clusters moving.
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return from_sklearn(fit_gaussians(features, n_components, reg_covar, seed))
        except ValueError as error:  # other causes are checked above
            raise InputError(
                f"inlier: {n_components} clusters of {len(features)} segments have a covariance "
                f"without an inverse (inlier.reg_covar is {reg_covar:g}, expected more)"
            ) from error


def fit_gaussians(
    features: Float[np.ndarray, "n d"], n_components: int, reg_covar: float, seed: int
) -> Any:
    """Fits scikit-learn's `GaussianMixture` with one BLAS thread.

    Its many small matrices cost threads more than they gain: 6,000 x 128 features and 4 clusters
    take 1.7 s of two cores with one thread, 4.5 s with two, and 10 s with two on busy cores.

    Args:
      features: [n, d].
      n_components: Gaussians, with full covariances.
      reg_covar: added to the covariances' diagonals.
      seed: of scikit-learn's initialisation.

    Returns:
      The fitted model.

    Raises:
      ValueError: scikit-learn's.
    """
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(n_components, reg_covar=reg_covar, random_state=seed)
    with threadpool_limits(1, user_api="blas"):
        return model.fit(features.astype(np.float64))


def from_sklearn(model: Any) -> Mixture:
    """Converts a fitted full-covariance `GaussianMixture`."""
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
    """Computes SerialOE's anomaly score of each segment.

    Args:
      mixture: h.
      features: [n, d] f_D.

    Returns:
      [n] nats.
    """
    squares = squared_distances(mixture, features)
    return -jax.nn.logsumexp(mixture.log_weights[:, None] - 0.5 * squares, axis=0)


@jax.jit
def squared_distances(
    mixture: Mixture, features: Float[ArrayLike, "n d"]
) -> Float[ArrayLike, "c n"]:
    """Computes the squared Mahalanobis distance of each segment to each component's mean."""

    def one_component(parts: tuple[Array, Array, Array]) -> Float[ArrayLike, " n"]:
        mean, rest, precision = parts
        # Subtract before multiplying, with mu to twice float32's digits: in a narrow cluster the
        # difference of two products would lose all its digits.
        centred = (features - mean[None]) - rest[None]
        projected = jnp.matmul(centred, precision, precision=jax.lax.Precision.HIGHEST)
        return jnp.sum(projected**2, axis=-1)

    return jax.lax.map(one_component, tuple(jnp.asarray(x) for x in mixture[1:]))
