"""Scores joined with features, groups and pools by the clips' names."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jax_dns.data.clips import UNKNOWN
from jax_dns.errors import InputError, first_three
from jax_dns.score_files.clip_names import match_names, no_match
from jax_dns.score_files.read_features import Features
from jax_dns.segments_file import Segments, clip_mean, clips_of


class Joined(NamedTuple):
    """Scores with their features, and how the names matched."""

    rows: Segments
    match: str  # such as "200 of 200 names, by base name"


def join(scores: Segments, features: Features, *, unit: str = "segment") -> Joined:
    """Gives every score its feature.

    Names are compared as they are, or by base name (see `clip_names.match_names`).

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
    match = ""
    if names is None:
        if len(feature) != len(scores.score):
            raise InputError(
                f"{len(feature)} rows of features and {len(scores.score)} scores, expected as many "
                "of the one as of the other (an .npz with names would be joined by name)"
            )
        names = keys = scores.clip
    else:
        how = match_names(scores.clip.tolist(), names.tolist())
        if not how.matched:
            raise InputError(no_match(scores.clip.tolist(), names.tolist(), "the features have"))
        match = how.describe("names")
        names = np.asarray([how.key(name) for name in names.tolist()])
        keys = np.asarray([how.key(name) for name in scores.clip.tolist()])
    if unit == "clip":
        clips = clips_of(scores)
        first = np.unique(clips.row, return_index=True)[1]
        scores = scores.where(first)._replace(score=clip_mean(clips, scores.score))
        keys = keys[first]
        names, feature = _mean_by_name(names, feature)
    _check_names(keys, names)
    # Stable sorts put the i-th row of a name in the same place on both sides.
    row = np.empty(len(keys), np.int64)
    row[np.argsort(keys, kind="stable")] = np.argsort(names, kind="stable")
    return Joined(scores._replace(feature=feature[row]), match)


def section_groups(segments: Segments, *, needed: bool) -> Int[np.ndarray, " n"]:
    """Returns the sections as groups; one group if no clip has a section.

    Args:
      segments: rows of one machine type.
      needed: whether it is an error if no clip has a section.

    Raises:
      InputError: some clips have a section and some don't; the first three.
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
    """Returns which rows are of the source domain.

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


def values_of_clips(
    segments: Segments, values: Mapping[str, str], *, source: str
) -> tuple[Shaped[np.ndarray, " n"], str]:
    """Looks up a value for each row's clip.

    Args:
      segments: rows of one machine type.
      values: clip -> value.
      source: the file that they are from, for the error.

    Returns:
      [n] text, and how the names matched.

    Raises:
      InputError: clips without a value; the first three.
    """
    names = segments.clip.tolist()
    match = match_names(names, values)
    if not match.matched:
        raise InputError(f"{source}: {no_match(names, values, 'the file has')}")
    by_key = {match.key(name): value for name, value in values.items()}
    missing = [name for name in dict.fromkeys(names) if match.key(name) not in by_key]
    if missing:
        raise InputError(
            f"{source}: {match.matched} of {match.total} clips have a line, not "
            f"{first_three(missing)} (expected one for each clip scored)"
        )
    return np.asarray([by_key[match.key(name)] for name in names]), match.describe("clips")


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
