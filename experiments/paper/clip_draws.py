"""Fig. 5: draws fractions of the clips, smooths them among themselves and evaluates them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from paper.neighbor_order import neighbour_order, smooth_subset
from scipy.stats import hmean

from jax_dns.data.clips import ANOMALY, NORMAL
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import bulk_auc
from jax_dns.pipeline.method_results import DOMAINS
from jax_dns.segments_file import Clips, Segments, clip_mean, clips_of

AE, ORACLE = "AE", "Proposed (Oracle)"
# Reading of the domains -> the sets of domains that have an AUC each.
READINGS = {"pooled": (("source", "target"),), "by_domain": (("source",), ("target",))}


class BestSetting(NamedTuple):
    """A method's best setting on one draw, and its value."""

    reading: str  # of the domains: a key of READINGS
    method: str  # AE or ORACLE
    k: int  # the best K; 0 for the AE
    data: str  # the best pool; "" for the AE
    value: float  # harmonic mean of AUC and pAUC, a fraction of 1


class DrawResult(NamedTuple):
    """A method's result on one draw of the clips; a row of figure5.csv."""

    draw: int
    fraction: float  # of the clips
    clips: int  # drawn
    reading: str
    method: str
    k: int
    data: str
    value: float


class OrderedGroup(NamedTuple):
    """Items that may be each other's neighbours, sorted by clip, with their neighbour order."""

    scores: Float[np.ndarray, " n"]
    clip: Int[np.ndarray, " n"]
    order: Int[np.ndarray, "n others"]


def draw_clips(clips: Clips, fraction: float, *, seed: int) -> Bool[np.ndarray, " c"]:
    """Draws a fraction of the clips of each section, domain and label, so that ratios stay.

    Args:
      clips: to draw from; those without a label are left out.
      fraction: above 0, up to 1. At least one clip of each kind is drawn; halves are rounded up.
      seed: of the draw. Under one seed a larger fraction adds clips to a smaller one.

    Returns:
      [c] which clips are drawn.

    Raises:
      InputError: a fraction out of range.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction: {fraction}, expected above 0, up to 1")
    rng = np.random.default_rng(seed)
    drawn = np.zeros(len(clips.name), bool)
    for section in np.unique(clips.section):
        for domain in ("source", "target"):
            for label in (NORMAL, ANOMALY):
                kind = (clips.section == section) & (clips.domain == domain)
                rows = rng.permutation(np.flatnonzero(kind & (clips.label == label)))
                drawn[rows[: max(1, int(fraction * len(rows) + 0.5))]] = True
    return drawn


def evaluate_draws(
    test: Segments,
    *,
    ks: Sequence[int],
    data: Sequence[str] = ("source", "all"),
    fractions: Iterable[float],
    draws: int,
    score: str = "drawn",
    unit: str = "segment",
    groups: Int[np.ndarray, " n"] | None = None,
    outside_pool: str = "smooth",
    metric: str = "euclidean",
) -> Iterator[list[DrawResult]]:
    """Evaluates the AE and the smoothing in its best setting, for every draw and fraction.

    Args:
      test: test segments of the sections to evaluate.
      ks: the Ks to choose from; in each draw those that every item has neighbours for.
      data: the pools to choose from, keys of DOMAINS.
      fractions: of the clips.
      draws: number of draws, seeded 0, 1, ...
      score: "drawn": the drawn clips are the pool and are evaluated; "all": every labelled clip is
        evaluated, smoothed over the drawn ones.
      unit: "segment": smooth, then average over a clip; "clip": average, then smooth.
      groups: [n] neighbours are of the same group; None: the section.
      outside_pool: "smooth", or "keep": items outside the pool keep a_G.
      metric: "euclidean" or "cosine".

    Yields:
      For each draw and fraction, the results under both readings of the domains.

    Raises:
      InputError: an option out of its range, or no labelled clips of both classes.
    """
    for name, value, choices in (
        ("score", score, ("drawn", "all")),
        ("unit", unit, ("segment", "clip")),
        ("outside_pool", outside_pool, ("smooth", "keep")),
        *(("data", d, tuple(DOMAINS)) for d in data),
    ):
        if value not in choices:
            raise InputError(f"{name}: {value!r}, expected {' or '.join(choices)}")
    clips = clips_of(test)
    labelled = np.isin(clips.label, (NORMAL, ANOMALY))
    if not labelled.any():
        raise InputError("label: no clip has one, expected normal and anomalous clips")
    ordered = _order_groups(test, clips, unit, test.section if groups is None else groups, metric)
    original = clip_mean(clips, test.score)
    results: dict[bytes, list[BestSetting]] = {}  # every draw of all clips is the same
    fractions = tuple(fractions)
    for draw in range(draws):
        for fraction in fractions:
            drawn = draw_clips(clips, fraction, seed=draw)
            key = drawn.tobytes()
            if key not in results:
                evaluated = drawn if score == "drawn" else labelled
                settings, values = _smooth_draw(
                    ordered, clips, drawn, evaluated, ks=ks, data=data, keep=outside_pool == "keep"
                )
                values = np.concatenate([original[None], values])
                results[key] = list(_best_settings(settings, values, clips, evaluated))
            yield [DrawResult(draw, fraction, int(drawn.sum()), *best) for best in results[key]]


def _order_groups(
    test: Segments, clips: Clips, unit: str, groups: Int[np.ndarray, " n"], metric: str
) -> list[OrderedGroup]:
    """Sorts the items of every group by clip, and around each other."""
    scores, features, clip = test.score, test.feature, clips.row
    if unit == "clip":
        groups = groups[np.unique(clips.row, return_index=True)[1]]
        scores, features = clip_mean(clips, scores), clip_mean(clips, features)
        clip = np.arange(len(clips.name))
    ordered = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        rows = rows[np.argsort(clip[rows], kind="stable")]
        order = neighbour_order(features[rows].astype(np.float32), metric=metric)
        ordered.append(OrderedGroup(scores[rows], clip[rows], order))
    return ordered


def _smooth_draw(
    groups: list[OrderedGroup],
    clips: Clips,
    drawn: Bool[np.ndarray, " c"],
    evaluated: Bool[np.ndarray, " c"],
    *,
    ks: Sequence[int],
    data: Sequence[str],
    keep: bool,
) -> tuple[list[tuple[int, str]], Float[np.ndarray, "s c"]]:
    """Computes the clip scores of every setting; NaN for clips that are not evaluated.

    Returns:
      (K, pool) of each setting, smaller Ks and then Source first; and [s, c] scores.
    """
    settings, values = [], []
    for name in sorted(data, key="all".__eq__):
        in_pool = drawn & np.isin(clips.domain, DOMAINS[name])
        pools = [in_pool[group.clip] for group in groups]
        queries = [np.flatnonzero(evaluated[group.clip]) for group in groups]
        counts = [int(p.sum()) - bool(p[q].any()) for p, q in zip(pools, queries) if len(q)]
        usable = sorted(k for k in set(ks) if k <= 1 + min(counts))
        scores = np.full((len(usable), len(clips.name)), np.nan)
        for group, pool, rows in zip(groups, pools, queries):
            if not usable or not len(rows):
                continue
            smoothed = smooth_subset(group.scores, group.order, usable, pool=pool, queries=rows)
            if keep:
                outside = ~np.isin(clips.domain[group.clip[rows]], DOMAINS[name])
                smoothed[:, outside] = group.scores[rows[outside]]
            clip, first, count = np.unique(group.clip[rows], return_index=True, return_counts=True)
            means = np.add.reduceat(smoothed, first, axis=1) / count
            # Clips of one neighbourhood have equal scores but for the order of float64 sums.
            # Rounding to float32 keeps that order from ranking them.
            scores[:, clip] = means.astype(np.float32)
        settings += [(k, name) for k in usable]
        values += list(scores)
    order = sorted(range(len(settings)), key=lambda i: settings[i][0])
    return [settings[i] for i in order], np.asarray(values).reshape(-1, len(clips.name))[order]


def _best_settings(
    settings: list[tuple[int, str]],
    values: Float[np.ndarray, "s c"],
    clips: Clips,
    evaluated: Bool[np.ndarray, " c"],
) -> Iterator[BestSetting]:
    """Yields the AE, which is the first row of `values`, and the best of the other rows."""
    for reading, parts in READINGS.items():
        figures = []
        for section in np.unique(clips.section):
            for domains in parts:
                rows = evaluated & (clips.section == section) & np.isin(clips.domain, domains)
                if len(np.unique(clips.label[rows])) == 2:
                    figures += bulk_auc(clips.label[rows], values[:, rows])
        if not figures:
            raise InputError("label: no section has labelled clips of both classes")
        means = hmean(np.stack(figures), axis=0)
        yield BestSetting(reading, AE, 0, "", float(means[0]))
        if settings:
            best = int(means[1:].argmax())
            yield BestSetting(reading, ORACLE, *settings[best], float(means[1 + best]))
