"""How the method fares with fewer clips (Fig. 5): clips drawn, smoothed among themselves, rated."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax_dns.pipeline.methods import DOMAINS
from jaxtyping import Bool, Float, Int
from paper.neighbor_order import neighbour_order, smooth_subset
from scipy.stats import hmean

from jax_dns.data.clips import ANOMALY, NORMAL
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import bulk_auc
from jax_dns.segments_file import Clips, Segments, clip_mean, clips_of

READINGS = {"pooled": (("source", "target"),), "by_domain": (("source",), ("target",))}


class Rating(NamedTuple):
    """A method's value with the clips of one draw."""

    draw: int
    share: float  # of the clips, a fraction of 1
    clips: int  # drawn
    reading: str  # of the domains: a key of READINGS
    method: str  # "AE" or "Proposed (Oracle)"
    size: int  # the best K; 0 where there is none
    data: str  # the best pool
    value: float  # harmonic mean of AUC and pAUC, a fraction of 1


class _Group(NamedTuple):
    """Items that may be each other's neighbours, those of one clip side by side."""

    scores: Float[np.ndarray, " n"]
    clip: Int[np.ndarray, " n"]
    order: Int[np.ndarray, "n others"]


def draw_clips(clips: Clips, share: float, *, seed: int) -> Bool[np.ndarray, " c"]:
    """Draws a share of the clips of each section, domain and label, so that ratios stay.

    Args:
      clips: to draw from; those without a label are left out.
      share: above 0, up to 1; of each kind at least one clip is drawn, halves are rounded up.
      seed: of the draw. Under one seed a larger share holds a smaller one: new clips are added.

    Returns:
      [c] which are drawn.

    Raises:
      InputError: a share out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"share: {share}, expected above 0, up to 1")
    rng = np.random.default_rng(seed)
    drawn = np.zeros(len(clips.name), bool)
    for section in np.unique(clips.section):
        for domain in ("source", "target"):
            for label in (NORMAL, ANOMALY):
                kind = (clips.section == section) & (clips.domain == domain)
                rows = rng.permutation(np.flatnonzero(kind & (clips.label == label)))
                drawn[rows[: max(1, int(share * len(rows) + 0.5))]] = True
    return drawn


def rate_draws(
    test: Segments,
    *,
    ks: Sequence[int],
    data: Sequence[str] = ("source", "all"),
    shares: Iterable[float],
    draws: int,
    score: str = "drawn",
    unit: str = "segment",
    groups: Int[np.ndarray, " n"] | None = None,
    outside_pool: str = "smooth",
    metric: str = "euclidean",
) -> Iterator[list[Rating]]:
    """Rates the AE and the proposed method with its best setting, for every draw and share.

    Args:
      test: test segments of the sections to rate.
      ks: the Ks to choose the best from; in each draw those that every item has neighbours for.
      data: the pools to choose the best from.
      shares: of the clips, fractions of 1.
      draws: how often to draw; their numbers are the seeds.
      score: "drawn": the drawn clips are the pool and what is rated; "all": every labelled clip is
        rated, smoothed over the drawn.
      unit, groups, outside_pool, metric: see `methods.proposed`.

    Yields:
      For each draw and share, the ratings under both readings of the domains.

    Raises:
      InputError: an option out of its range, or no labelled clips of both classes.
    """
    for name, value, good in (
        ("score", score, ("drawn", "all")),
        ("unit", unit, ("segment", "clip")),
        ("outside_pool", outside_pool, ("smooth", "keep")),
        *(("data", d, tuple(DOMAINS)) for d in data),
    ):
        if value not in good:
            raise InputError(f"{name}: {value!r}, expected {' or '.join(good)}")
    clips = clips_of(test)
    labelled = np.isin(clips.label, (NORMAL, ANOMALY))
    if not labelled.any():
        raise InputError("label: no clip has one, expected normal and anomalous clips")
    prepared = _groups(test, clips, unit, test.section if groups is None else groups, metric)
    original = clip_mean(clips, test.score)
    known: dict[bytes, list[tuple]] = {}  # all draws of every clip are one
    shares = tuple(shares)
    for draw in range(draws):
        for share in shares:
            drawn = draw_clips(clips, share, seed=draw)
            key = drawn.tobytes()
            if key not in known:
                rated = drawn if score == "drawn" else labelled
                settings, values = _smooth_draw(
                    prepared, clips, drawn, rated, ks=ks, data=data, keep=outside_pool == "keep"
                )
                values = np.concatenate([original[None], values])
                known[key] = list(_best(settings, values, clips, rated))
            yield [Rating(draw, share, int(drawn.sum()), *found) for found in known[key]]


def _groups(
    test: Segments, clips: Clips, unit: str, groups: Int[np.ndarray, " n"], metric: str
) -> list[_Group]:
    """The items of every group with their neighbour order."""
    scores, features, clip = test.score, test.feature, clips.row
    if unit == "clip":
        groups = groups[np.unique(clips.row, return_index=True)[1]]
        scores, features = clip_mean(clips, scores), clip_mean(clips, features)
        clip = np.arange(len(clips.name))
    found = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        rows = rows[np.argsort(clip[rows], kind="stable")]
        order = neighbour_order(features[rows].astype(np.float32), metric=metric)
        found.append(_Group(scores[rows], clip[rows], order))
    return found


def _smooth_draw(
    groups: list[_Group],
    clips: Clips,
    drawn: Bool[np.ndarray, " c"],
    rated: Bool[np.ndarray, " c"],
    *,
    ks: Sequence[int],
    data: Sequence[str],
    keep: bool,
) -> tuple[list[tuple[int, str]], Float[np.ndarray, "s c"]]:
    """Every setting's clip scores; NaN for clips that aren't rated. Smaller Ks, then Source first.

    Returns:
      (K, pool) of each setting, and [s, c] scores.
    """
    settings, values = [], []
    for name in sorted(data, key="all".__eq__):
        in_pool = drawn & np.isin(clips.domain, DOMAINS[name])
        pools = [in_pool[g.clip] for g in groups]
        queries = [np.flatnonzero(rated[g.clip]) for g in groups]
        counts = [int(p.sum()) - bool(p[q].any()) for p, q in zip(pools, queries) if len(q)]
        usable = sorted(k for k in set(ks) if k <= 1 + min(counts))
        found = np.full((len(usable), len(clips.name)), np.nan)
        for group, pool, rows in zip(groups, pools, queries):
            if not usable or not len(rows):
                continue
            smoothed = smooth_subset(group.scores, group.order, usable, pool=pool, queries=rows)
            if keep:
                outside = ~np.isin(clips.domain[group.clip[rows]], DOMAINS[name])
                smoothed[:, outside] = group.scores[rows[outside]]
            which, first, number = np.unique(
                group.clip[rows], return_index=True, return_counts=True
            )
            means = np.add.reduceat(smoothed, first, axis=1) / number
            # Clips of one neighbourhood have one score, but for the order in which 64-bit numbers
            # were summed; that must not rank them.
            found[:, which] = means.astype(np.float32)
        settings += [(k, name) for k in usable]
        values += list(found)
    order = sorted(range(len(settings)), key=lambda i: settings[i][0])
    return [settings[i] for i in order], np.asarray(values).reshape(-1, len(clips.name))[order]


def _best(
    settings: list[tuple[int, str]],
    values: Float[np.ndarray, "s c"],
    clips: Clips,
    rated: Bool[np.ndarray, " c"],
) -> Iterator[tuple[Any, ...]]:
    """Reading, method, setting and value of the AE, in the first row, and of the best other row."""
    for reading, parts in READINGS.items():
        found = []
        for section in np.unique(clips.section):
            for domains in parts:
                rows = rated & (clips.section == section) & np.isin(clips.domain, domains)
                if len(np.unique(clips.label[rows])) == 2:
                    found += bulk_auc(clips.label[rows], values[:, rows])
        if not found:
            raise InputError("label: no section has labelled clips of both classes")
        rating = hmean(np.stack(found), axis=0)
        yield reading, "AE", 0, "", float(rating[0])
        if settings:
            best = int(rating[1:].argmax())
            yield reading, "Proposed (Oracle)", *settings[best], float(rating[1 + best])
