"""Eq. 7 on the scores and features of anyone's system, joined by the clips' names."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jax_dns.data.clips import UNKNOWN
from jax_dns.errors import InputError, first_three
from jax_dns.score_files.read_features import Features
from jax_dns.segments_file import Clips, Segments, clip_mean, clips_of
from jax_dns.smoothing.api import smooth_grid
from jax_dns.smoothing.validation import candidate_counts


def join(scores: Segments, features: Features, *, unit: str = "segment") -> Segments:
    """Gives every score its feature.

    Args:
      scores: rows of one machine type; a repeated name is a further segment of a clip.
      features: as many rows of each name, in any order; the i-th row of a name belongs to the i-th
        score of that name. Without names: a row for each score, in their order.
      unit: "segment"; or "clip": scores and features are averaged over each clip first, and needn't
        be equally many.

    Returns:
      The rows of `scores` with their features, a row a clip for unit "clip".

    Raises:
      InputError: names or counts that don't match; the first three.
    """
    if unit not in ("segment", "clip"):
        raise InputError(f"unit: {unit!r}, expected segment or clip")
    names, feature = features
    if names is None:
        if len(feature) != len(scores.score):
            raise InputError(
                f"{len(feature)} rows of features and {len(scores.score)} scores, expected as many "
                "of the one as of the other (an .npz with names would be joined by name)"
            )
        names = scores.clip
    if unit == "clip":
        clips = clips_of(scores)
        first = np.unique(clips.row, return_index=True)[1]
        scores = scores.where(first)._replace(score=clip_mean(clips, scores.score))
        names, feature = _mean_by_name(names, feature)
    _check_names(scores.clip, names)
    # Stable sorts put the i-th row of a name in the same place on both sides.
    here = np.argsort(scores.clip, kind="stable")
    there = np.argsort(names, kind="stable")
    row = np.empty(len(here), np.int64)
    row[here] = there
    return scores._replace(feature=feature[row])


def section_groups(segments: Segments, *, needed: bool) -> Int[np.ndarray, " n"]:
    """The sections as groups; one group where no name carries a section.

    Args:
      segments: rows of one machine type.
      needed: whether it is an error if no name carries a section.

    Raises:
      InputError: some names carry a section and some don't; the first three.
    """
    unknown = segments.section == UNKNOWN
    if unknown.all() and not needed:
        return np.zeros(len(unknown), np.int64)
    if unknown.any():
        raise InputError(
            f"{int(unknown.sum())} of {len(unknown)} names carry no section: "
            f"{first_three(segments.clip[unknown])} (expected section_SS_...; or other groups)"
        )
    return segments.section


def source_pool(segments: Segments) -> Bool[np.ndarray, " n"]:
    """Which rows are of the source domain.

    Raises:
      InputError: names without a domain; the first three.
    """
    unknown = segments.domain == ""
    if unknown.any():
        raise InputError(
            f"{int(unknown.sum())} of {len(unknown)} names carry no domain: "
            f"{first_three(segments.clip[unknown])} (expected section_SS_<source|target>_...)"
        )
    return segments.domain == "source"


def given_values(
    segments: Segments, values: Mapping[str, str], *, source: str
) -> Shaped[np.ndarray, " n"]:
    """What a file says of each row's clip.

    Args:
      segments: rows of one machine type.
      values: by clip.
      source: the file.

    Returns:
      [n] text.

    Raises:
      InputError: it says nothing of some clips; the first three.
    """
    missing = [name for name in dict.fromkeys(segments.clip.tolist()) if name not in values]
    if missing:
        raise InputError(
            f"{source} has no line for {first_three(missing)} (expected one for each clip scored)"
        )
    return np.asarray([values[name] for name in segments.clip.tolist()])


def largest_k(
    segments: Segments, *, groups: Int[np.ndarray, " n"], pool: Bool[np.ndarray, " n"]
) -> tuple[int, str]:
    """The largest K that every row has neighbours for, and why it is no larger."""
    counts = candidate_counts(groups, pool, groups, pool)
    row = int(counts.argmin())
    return 1 + int(counts[row]), f"{segments.clip[row]} has {counts[row]} candidates"


def smooth_clips(
    segments: Segments,
    ks: Sequence[int],
    *,
    groups: Int[np.ndarray, " n"],
    pool: Bool[np.ndarray, " n"],
    metric: str = "euclidean",
) -> tuple[Clips, Float[np.ndarray, "k c"]]:
    """Smooths the rows among themselves, then averages over each clip's.

    Args:
      segments: rows of one machine type.
      ks: the Ks.
      groups: [n] neighbours are of the same group.
      pool: [n] which rows may be neighbours.
      metric: see `smooth`.

    Returns:
      The clips, and [len(ks), c] float64 clip scores. K = 1 gives the scores bit for bit.

    Raises:
      InputError: see `smooth`.
    """
    clips, score = clips_of(segments), segments.score
    # Smoothing works in float32. Eq. 7 is a mean, so scores may be shifted and scaled before it:
    # log-likelihoods that differ in their last digits would lose these.
    centre = score.mean()
    spread = np.abs(score - centre).max() or 1.0
    grid = smooth_grid(
        (score - centre) / spread,
        segments.feature,
        list(ks),
        groups=np.unique(groups, return_inverse=True)[1],
        pool=pool,
        metric=metric,
    )
    out = [score if k == 1 else centre + spread * row for k, row in zip(ks, grid)]
    return clips, np.stack([clip_mean(clips, row) for row in out])


def _mean_by_name(
    names: Shaped[np.ndarray, " n"], feature: Float[np.ndarray, "n d"]
) -> tuple[np.ndarray, np.ndarray]:
    """Averages the features of each name, in float64."""
    unique, row, counts = np.unique(names, return_inverse=True, return_counts=True)
    total = np.zeros((len(unique), feature.shape[1]))
    np.add.at(total, row, feature)
    return unique, (total / counts[:, None]).astype(np.float32)


def _check_names(scored: np.ndarray, named: np.ndarray) -> None:
    """Raises InputError where the names, or how often they occur, differ."""
    scored_names, scored_counts = np.unique(scored, return_counts=True)
    named_names, named_counts = np.unique(named, return_counts=True)
    for what, other, names, others in (
        ("features", "scores", scored_names, named_names),
        ("scores", "features", named_names, scored_names),
    ):
        missing = names[~np.isin(names, others)]
        if len(missing):
            raise InputError(
                f"no {what} for {len(missing)} of the {len(names)} names of the {other}: "
                f"{first_three(missing)} (expected the same names; the {what} have "
                f"{first_three(others)})"
            )
    differ = scored_counts != named_counts
    if differ.any():
        rows = np.flatnonzero(differ)[:3]
        found = ", ".join(
            f"{scored_names[i]} has {scored_counts[i]} and {named_counts[i]}" for i in rows
        )
        raise InputError(
            f"scores and features are not equally many for {int(differ.sum())} names: {found} "
            "(expected a score a segment; --unit clip averages both over each clip)"
        )
