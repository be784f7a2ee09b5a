"""Decides from a clip's own evidence whether it is anomalous, at a stated rate of false alarms.

Held-out normal clips of the section, which trained neither a_G nor f_D, give a clip two statistics'
null distributions: its score a_G, and the distance of its features to the nearest known normals.
While a normal clip is exchangeable with the held-out ones, each p-value below is valid:
P(p <= x) <= x. Neither depends on how many faults there are, as Eq. 7's scores do.
"""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize, stats
from scipy.spatial.distance import cdist

from jax_dns.errors import InputError

WEEK = 7.0  # days


class Evidence(NamedTuple):
    """A clip's p-values."""

    p_score: float
    p_distance: float
    p: float  # of both statistics together
    gamma: float  # quantile of the score under a gamma distribution fitted to normals' scores


class Settings(NamedTuple):
    """When a section is in warning or alarm."""

    alarm_days: float = WEEK  # between false alarms, on average
    warning_days: float = 1.0  # between false warnings
    clips_per_day: float = 1440.0  # of a section
    hits: int = 3  # that begin an alarm, among the last `window` clips
    window: int = 5
    evidence: str = "both"  # or "score", "distance": the p-value to decide by


class Level(NamedTuple):
    """A section's state after a clip."""

    name: str  # "normal", "warning" or "alarm"
    recent: tuple[float, ...]  # p-values of the last clips, the newest last


def conformal_p(value: float, normals: Float[np.ndarray, " r"]) -> float:
    """Returns the share of normals, the clip itself counted, whose value is at least the clip's."""
    return float((1 + (normals >= value).sum()) / (len(normals) + 1))


def combined_p(values: Float[np.ndarray, " s"], normals: Float[np.ndarray, "r s"]) -> float:
    """Returns one p-value of several statistics, the conformal p-value of their mean rank.

    The clip is ranked together with the normals under each statistic, ties sharing their mean rank.
    The mean rank is the same function of each of the r + 1 clips, so the new clip's rank among the
    mean ranks gives a valid p-value, however the statistics depend on each other.

    Args:
      values: [s] statistics of the clip, higher for more anomalous.
      normals: [r, s] of the normals.
    """
    together = np.concatenate([normals, values[None, :]])
    ranks = stats.rankdata(together, axis=0).mean(1)
    return conformal_p(ranks[-1] - 1e-9, ranks[:-1])  # equal ranks may differ in the last bit


def clip_distance(features: Float[np.ndarray, "s d"], known: Float[np.ndarray, "n d"]) -> float:
    """Returns the mean over a clip's segments of the distance to the nearest known normal."""
    return float(cdist(features, known).min(1).mean())


def gamma_quantile(score: float, normals: Float[np.ndarray, " r"]) -> float:
    """Returns the quantile of a score under the gamma distribution fitted to normals' scores.

    The DCASE baselines' threshold is its 90 % quantile. Scores are shifted by the smallest one
    where that isn't positive. NaN for normals of one value.
    """
    if np.ptp(normals) == 0:
        return float("nan")
    # By moments: the likelihood's iterations fail on some sets of scores.
    low = min(0.0, float(normals.min()))
    mean, variance = float(normals.mean()) - low, float(normals.var())
    return float(stats.gamma.cdf(score - low, mean**2 / variance, scale=variance / mean))


def weigh(
    score: float,
    distance: float,
    normal_scores: Float[np.ndarray, " r"],
    normal_distances: Float[np.ndarray, " r"],
) -> Evidence:
    """Returns a clip's p-values.

    Args:
      score: of the clip, a_G.
      distance: of the clip, as `clip_distance`.
      normal_scores: [r] of the held-out normals.
      normal_distances: [r].
    """
    normals = np.stack([normal_scores, normal_distances], axis=1)
    return Evidence(
        conformal_p(score, normal_scores),
        conformal_p(distance, normal_distances),
        combined_p(np.asarray([score, distance]), normals),
        gamma_quantile(score, normal_scores),
    )


@functools.lru_cache(maxsize=64)
def hit_level(days: float, settings: Settings) -> float:
    """Returns the p-value from which a clip counts as a hit.

    With independent p-values an alarm begins at a clip that is a hit itself, with hits - 1 more
    among the window - 1 clips before it. Solves

        level * P(Binomial(window - 1, level) >= hits - 1) = 1 / (days * clips_per_day).

    Clips of one machine are not independent: several hits in a row are more frequent than this.

    Args:
      days: between false alarms.
      settings: clips a day, hits and window.
    """
    rate = 1 / (days * settings.clips_per_day)
    if rate >= 1:
        return 1.0

    def excess(level: float) -> float:
        more = stats.binom.sf(settings.hits - 2, settings.window - 1, level)
        return level * more - rate

    return float(optimize.brentq(excess, 0.0, 1.0, xtol=1e-12))


def normals_needed(days: float, settings: Settings) -> int:
    """Returns how many held-out normals a section needs for its p-values to reach `hit_level`."""
    return int(np.ceil(1 / hit_level(days, settings) - 1e-9)) - 1


def next_level(before: Level, p: float, settings: Settings) -> Level:
    """Returns a section's level after a clip.

    A level begins at a clip that is a hit, with `hits` hits among the last `window` clips. It ends
    when none of the last `window` clips is a hit.

    Args:
      before: the level so far.
      p: p-value of the clip.
      settings: rates, hits and window.
    """
    recent = (*before.recent, p)[-settings.window :]
    for name, days in (("alarm", settings.alarm_days), ("warning", settings.warning_days)):
        hits = np.asarray(recent) <= hit_level(days, settings)
        begins = hits[-1] and hits.sum() >= settings.hits
        stays = hits.any() and before.name in ("alarm", name)
        if begins or stays:  # an alarm that ends leaves a warning while that has hits
            return Level(name, recent)
    return Level("normal", recent)


def is_held_back(p: float, settings: Settings) -> bool:
    """Returns whether a clip is too anomalous to be evidence for others until acknowledged."""
    return p <= hit_level(settings.alarm_days, settings)


def alarm_starts(
    p: Float[np.ndarray, " n"], settings: Settings, name: str = "alarm"
) -> Bool[np.ndarray, " n"]:
    """Returns at which clips of a section an alarm begins, as `next_level` says.

    Args:
      p: [n] p-values in the order of the clips.
      settings: rates, hits and window.
      name: "alarm"; or "warning", which an alarm includes.
    """
    days = settings.alarm_days if name == "alarm" else settings.warning_days
    hits = p <= hit_level(days, settings)
    total = np.concatenate([np.zeros(settings.window, np.int64), np.cumsum(hits)])
    recent = total[settings.window :] - total[: len(hits)]
    number = np.arange(len(hits))
    begins = np.where(hits & (recent >= settings.hits), number, -1)
    ends = np.where(recent == 0, number, -1)
    on = np.maximum.accumulate(begins) > np.maximum.accumulate(ends)
    return on & ~np.concatenate([[False], on[:-1]])


def check_settings(settings: Settings) -> None:
    """Raises InputError for settings that are out of range or contradict each other."""
    if not 1 <= settings.hits <= settings.window:
        raise InputError(
            f"hits: {settings.hits} of the last {settings.window}, expected 1 or more, and no "
            "more than the window"
        )
    for field in ("alarm_days", "warning_days", "clips_per_day"):
        if not 0 < getattr(settings, field) < np.inf:
            raise InputError(f"{field}: {getattr(settings, field)}, expected above 0")
    if settings.warning_days > settings.alarm_days:
        raise InputError(
            f"warning_days: {settings.warning_days}, expected at most alarm_days, "
            f"{settings.alarm_days}"
        )
    if settings.evidence not in ("both", "score", "distance"):
        raise InputError(f"evidence: {settings.evidence!r}, expected both, score or distance")
