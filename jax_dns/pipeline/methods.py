"""The rows of Table II as functions of segments: AE, SerialOE and Proposed, for every setting.

Each gives clip scores: the mean over a clip's segments (Sec. IV.A).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Int

from jax_dns.errors import InputError
from jax_dns.evaluation.results import MethodResult
from jax_dns.inlier.gmm import fit_mixture, negative_log_likelihood
from jax_dns.segments_file import Segments, clip_mean, clips_of
from jax_dns.smoothing.api import smooth_grid
from jax_dns.smoothing.cross_clip import other_clip_counts, smooth_other_clips
from jax_dns.smoothing.validation import candidate_counts

DOMAINS = {"source": ("source",), "all": ("source", "target")}


def autoencoder(test: Segments) -> MethodResult:
    """a_G itself."""
    return MethodResult("AE", "", 0, "", clip_mean(clips_of(test), test.score))


def serial_oe(
    train: Segments,
    test: Segments,
    *,
    components: Iterable[int],
    data: Iterable[str],
    seed: int = 0,
    regularisation: float = 1e-6,
) -> list[MethodResult]:
    """SerialOE's second stage: one mixture a section, negative log-likelihood as the score.

    Args:
      train: normal segments to fit on.
      test: segments to score.
      components: numbers of clusters.
      data: "source", "all": the domains fitted on.
      seed: of the mixtures' initialisation.
      regularisation: of their covariances.

    Returns:
      One result a setting; a setting that some section has too few segments for is left out, all of
      them where a section of `test` has no training segments.
    """
    clips = clips_of(test)
    found = []
    for name in data:
        allowed = np.isin(train.domain, _domains(name))
        sections = {s: allowed & (train.section == s) for s in np.unique(test.section)}
        fewest = min(int(rows.sum()) for rows in sections.values())
        for size in components:
            if size > fewest:
                continue
            scores = np.empty(len(test.score), np.float32)
            for section, rows in sections.items():
                mixture = fit_mixture(
                    train.feature[rows], size, seed=seed, regularisation=regularisation
                )
                here = test.section == section
                scores[here] = negative_log_likelihood(mixture, test.feature[here])
            found.append(MethodResult("SerialOE", "GMM", size, name, clip_mean(clips, scores)))
    return found


def proposed(
    test: Segments,
    *,
    ks: Sequence[int],
    data: Iterable[str],
    unit: str = "segment",
    groups: Int[np.ndarray, " n"] | None = None,
    outside_pool: str = "smooth",
    metric: str = "euclidean",
    same_clip: bool = True,
) -> list[MethodResult]:
    """Eq. 7 for every K and pool.

    Args:
      test: segments to smooth among themselves.
      ks: the Ks; those that some item has too few candidates for are left out.
      data: "source", "all": the domains whose items may be neighbours.
      unit: "segment": smooth, then average over a clip; "clip": average, then smooth.
      groups: [n] neighbours are of the same group; None: the section.
      outside_pool: "smooth", or "keep": items outside the pool keep a_G.
      metric: see `smooth`.
      same_clip: whether a segment's neighbours may be of its own clip.

    Returns:
      One result a setting.
    """
    clips = clips_of(test)
    groups = test.section if groups is None else groups
    found = []
    for name in data:
        pool = np.isin(test.domain, _domains(name))
        scores, features, labels = test.score, test.feature, groups
        if unit == "clip":
            first = np.unique(clips.row, return_index=True)[1]
            scores, features = clip_mean(clips, scores), clip_mean(clips, features)
            pool, labels = pool[first], groups[first]
        elif unit != "segment":
            raise InputError(f"smoothing.unit: {unit!r}, expected segment or clip")
        apart = not same_clip and unit == "segment"
        largest = largest_k(labels, pool)
        if apart:
            largest = 1 + int(other_clip_counts(clips.row, labels, pool).min())
        usable = [k for k in ks if k <= largest]
        if not usable:
            continue
        options = dict(groups=labels, pool=pool, metric=metric)
        if apart:
            grid = smooth_other_clips(scores, features, usable, clip=clips.row, **options)
        else:
            grid = smooth_grid(scores, features, usable, **options)
        if outside_pool == "keep":
            grid = np.where(pool, grid, scores)
        elif outside_pool != "smooth":
            raise InputError(f"smoothing.outside_pool: {outside_pool!r}, expected smooth or keep")
        for k, row in zip(usable, grid):
            mean = row if unit == "clip" else clip_mean(clips, row)
            mean = np.asarray(mean, np.float64)
            found.append(MethodResult("Proposed", "K", k, name, mean, oracle=True))
    return found


def largest_k(groups: Int[np.ndarray, " n"], pool: Bool[np.ndarray, " n"]) -> int:
    """The largest K that every item has neighbours for."""
    return 1 + int(candidate_counts(groups, pool, groups, pool).min())


def _domains(name: str) -> tuple[str, ...]:
    if name not in DOMAINS:
        raise InputError(f"data: {name!r}, expected one of {', '.join(DOMAINS)}")
    return DOMAINS[name]
