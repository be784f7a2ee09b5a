"""Angular losses: ArcFace and sub-cluster AdaCos, on the cosines between features and centres.

ArcFace (Deng et al. 2019) adds a margin to the angle of the true class. Sub-cluster AdaCos
(Wilkinghoff 2021, ref. [12]) has fixed random centres, several a class, and adapts its scale.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_dns.types import ArrayLike

LARGEST_COSINE = 1 - 1e-6  # arccos has no derivative at 1


class AngularOutput(NamedTuple):
    """Features of a batch and their cosines to the centres."""

    feature: Float[ArrayLike, "b d"]  # of unit length
    cosine: Float[ArrayLike, "b c s"]  # to each class's centres
    scale: Float[ArrayLike, ""]  # AdaCos' s, before this batch


def compare_to_centers(
    module: nn.Module,
    feature: Float[ArrayLike, "b d"],
    n_classes: int,
    n_centers: int,
    *,
    trained: bool = False,
) -> AngularOutput:
    """Computes the cosines to a network's centres, from within its compact method.

    Args:
      module: the network; gets the variables "centers" and "scale".
      feature: [b, d], of unit length.
      n_classes: C.
      n_centers: S, centres of a class.
      trained: train the centres; otherwise they stay as they are drawn.

    Returns:
      Features, cosines, and AdaCos' scale before this batch.
    """
    shape, normal = (n_classes, n_centers, feature.shape[-1]), nn.initializers.normal(1.0)
    if trained:
        centers = module.param("centers", normal, shape)
    else:
        centers = module.variable(
            "batch_stats", "centers", lambda: normal(module.make_rng("params"), shape)
        ).value
    count = max(n_classes * n_centers - 1, 2)
    scale = module.variable("batch_stats", "scale", lambda: jnp.sqrt(2.0) * jnp.log(1.0 * count))
    cosine = jnp.einsum("bd,csd->bcs", feature, unit_length(centers))
    return AngularOutput(feature, cosine, scale.value)


def unit_length(x: Float[ArrayLike, "*n d"]) -> Float[Array, "*n d"]:
    """Scales vectors to unit length; zeros stay zero."""
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(x**2, -1, keepdims=True), 1e-12))


def angle(cosine: Float[ArrayLike, "*n"]) -> Float[Array, "*n"]:
    """Returns the angle, radians."""
    return jnp.arccos(jnp.clip(cosine, -LARGEST_COSINE, LARGEST_COSINE))


def arcface_loss(
    cosine: Float[ArrayLike, "b c"],
    target: Float[ArrayLike, "b c"],
    *,
    scale: float,
    margin: float,
) -> Float[Array, ""]:
    """Computes the cross-entropy of the logits s cos(theta + m y), y the label of each class.

    Args:
      cosine: [b, C] cos theta to each class's centre.
      target: [b, C] one-hot labels y, or mixtures of two.
      scale: s.
      margin: m, radians.

    Returns:
      The mean over the batch, nats.
    """
    logits = scale * jnp.cos(angle(cosine) + margin * target)
    return -jnp.mean(jnp.sum(target * jax.nn.log_softmax(logits), axis=-1))


def adacos_loss(
    cosine: Float[ArrayLike, "b c s"], target: Float[ArrayLike, "b c"], scale: Float[ArrayLike, ""]
) -> Float[Array, ""]:
    """Computes the cross-entropy of sub-cluster AdaCos.

    The softmax is over all C S centres; the probabilities of a class's centres are summed.

    Args:
      cosine: [b, C, S] to each class's centres.
      target: [b, C] one-hot labels, or mixtures of two.
      scale: s.

    Returns:
      The mean over the batch, nats.
    """
    class_logits = jax.nn.logsumexp(scale * cosine, axis=-1)
    return -jnp.mean(jnp.sum(target * jax.nn.log_softmax(class_logits), axis=-1))


def next_scale(
    scale: Float[ArrayLike, ""], cosine: Float[ArrayLike, "b c s"], target: Float[ArrayLike, "b c"]
) -> Float[Array, ""]:
    """Computes AdaCos' new scale from a batch.

        s <- ln(mean_i sum_j exp(s cos theta_ij)) / cos(min(pi / 4, median theta))

    The median is over the items' angles to the nearest centre of their class; the angle of a
    mixture is the mean of those to its two classes, weighted.

    Args:
      scale: s of the step before.
      cosine: [b, C, S].
      target: [b, C] one-hot labels, or mixtures of two.

    Returns:
      s, without a gradient.
    """
    total = jax.nn.logsumexp(scale * cosine, axis=(1, 2))
    mean = jax.nn.logsumexp(total) - jnp.log(len(total))
    true_angle = jnp.sum(target * angle(cosine.max(-1)), axis=-1)
    return jax.lax.stop_gradient(mean / jnp.cos(jnp.minimum(jnp.pi / 4, jnp.median(true_angle))))
