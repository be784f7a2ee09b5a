"""Cosine distances in a monitor whose history, p-values and drift all take Euclidean ones."""

import numpy as np
from jaxtyping import Float

from jax_dns.errors import InputError
from jax_dns.fingerprints import fingerprint
from jax_dns.pipeline.clip_scorer import ClipScorer
from jax_dns.smoothing.feature_space import to_metric_space


def with_unit_features(scorer: ClipScorer) -> ClipScorer:
    """Scales f_D to unit length, where Euclidean distance orders neighbours as the cosine does.

    Args:
      scorer: of one machine type.

    Returns:
      A scorer whose known normals' features and new clips' features have length one. Its model
      digest is another one, so that a history of features as they are is not mixed with it.

    Raises:
      InputError: a known normal's feature has no direction; `score` raises it for a new clip's.
    """

    def score(samples, section):
        scores, features = scorer.score(samples, section)
        return scores, _unit(features, scorer.machine)

    return scorer._replace(
        model=fingerprint(scorer.model, "cosine"),
        segments=scorer.segments._replace(feature=_unit(scorer.segments.feature, scorer.machine)),
        score=score,
    )


def _unit(features: Float[np.ndarray, "s d"], machine: str) -> Float[np.ndarray, "s d"]:
    if not np.abs(features).max(1).all():
        raise InputError(
            f"{machine}: a feature of length 0, expected one with a direction (cosine)"
        )
    return to_metric_space(features, "cosine")
