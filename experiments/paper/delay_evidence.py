"""p-values of a stream's clips by each way to decide, for `monitor_delay`."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from paper.delay_streams import Known, Stream
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from jax_dns.monitor.decisions import Settings, normals_needed
from jax_dns.monitor.smoothed_evidence import part_normals
from jax_dns.smoothing.adaptive import smooth_adaptively

K, HISTORY, REFRESH = 16, 500, 100  # Eq. 7; known normals are smoothed again every 100 clips
LOOK, LOOK_CLIPS = 1000, 512  # clips between two looks back, and in one
LOOK_STEP = 64  # a look back has a multiple of so many recordings: few programs are compiled
LARGEST_TABLE = 4096  # clips whose distances are computed once


def p_values(
    stream: Stream, known: Known, per_day: float, before: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Computes every clip's p-values, by way.

    Args:
      stream: the clips.
      known: the known normals.
      per_day: clips a day.
      before: p-values of a stream with the same clips in its first half; None: none are known.
    """
    begin = len(stream.score) // 2 // LOOK * LOOK if before else 0
    smoothed, known_smoothed = smooth_stream(stream, known, begin)
    own = np.stack([stream.score, stream.distance], 1), np.stack([known.score, known.distance], 1)
    later = own[0][begin:]
    p = {
        "a_G": ranks_p(later[:, :1], own[1][:, :1]),
        "distance": ranks_p(later[:, 1:], own[1][:, 1:]),
        "both": ranks_p(later, own[1]),
    }
    parts = {"Eq. 7, K = 16": [], "all three": []}
    for number, normals in enumerate(known_smoothed):
        rows = slice(begin + number * REFRESH, begin + (number + 1) * REFRESH)
        three = np.column_stack([own[0][rows], smoothed[rows]])
        normal_three = np.column_stack([own[1], normals])
        parts["Eq. 7, K = 16"].append(ranks_p(three[:, 2:], normal_three[:, 2:]))
        parts["all three"].append(ranks_p(three, normal_three))
    p |= {way: np.concatenate(values) for way, values in parts.items()}
    settings = Settings(clips_per_day=per_day)
    needed = normals_needed(settings.alarm_days, settings)
    p["joins by rule"] = join_by_rule(stream, known, p["both"], needed, begin)
    if before:
        p = {way: np.concatenate([before[way][:begin], values]) for way, values in p.items()}
    return p


def join_by_rule(
    stream: Stream, known: Known, both: np.ndarray, needed: int, begin: int
) -> np.ndarray:
    """Lets Eq. 7's score join the p-values of clips after each look back that finds a K for it.

    Args:
      stream: the clips.
      known: the known normals.
      both: [t - begin] p-values without it, of the clips from `begin` on.
      needed: known normals that an alarm needs.
      begin: the first clip, a multiple of LOOK.

    Returns:
      [t - begin] p-values.
    """
    parts = part_normals(len(known.score), needed)
    p = both.copy()
    if parts is None:
        return p
    choosing, calibrating = (Known(*(column[rows] for column in known)) for rows in parts)
    for first in range(max(begin, LOOK), len(stream.score), LOOK):
        pool = look_back_rows(stream, first)
        if len(pool) < LOOK_STEP:
            continue
        choice = smooth_adaptively(
            stream.score[pool], stream.feature[pool], choosing.score, choosing.feature
        )
        if choice.k == 1:
            continue
        rows = np.arange(first, min(first + LOOK, len(stream.score)))
        distance = cdist(stream.feature[rows], stream.feature[pool], "sqeuclidean")
        distance[stream.origin[rows][:, None] == stream.origin[pool][None, :]] = np.inf
        smoothed = _mean_with_nearest(stream.score[rows], distance, stream.score[pool], choice.k)
        distance = cdist(calibrating.feature, stream.feature[pool], "sqeuclidean")
        normal = _mean_with_nearest(calibrating.score, distance, stream.score[pool], choice.k)
        p[rows - begin] = ranks_p(
            np.column_stack([stream.score[rows], stream.distance[rows], smoothed]),
            np.column_stack([calibrating.score, calibrating.distance, normal]),
        )
    return p


def look_back_rows(stream: Stream, first: int) -> Int[np.ndarray, " c"]:
    """Returns the clips of a look back before a clip, each recording once, oldest first.

    Faults are left out at random by as much as the normal clips become fewer without copies.
    """
    rng = np.random.default_rng(first)
    window = np.arange(max(0, first - LOOK_CLIPS), first)
    rows = window[np.unique(stream.origin[window], return_index=True)[1]]
    fault = stream.fault[rows]
    share = (~fault).sum() / max(1, (~stream.fault[window]).sum())
    rows = rows[~fault | (rng.random(len(rows)) < share)]
    return np.sort(rng.permutation(rows)[: len(rows) // LOOK_STEP * LOOK_STEP])


def ranks_p(values: Float[np.ndarray, "t s"], normals: Float[np.ndarray, "r s"]) -> np.ndarray:
    """Returns `combined_p` of many clips; of one statistic the conformal p-value."""
    r = len(normals)
    ordered = np.sort(normals, axis=0)
    # Places of the clip among the normals, and what its presence adds to the normals' ranks.
    columns = range(values.shape[1])
    low = np.stack([np.searchsorted(ordered[:, c], values[:, c], "left") for c in columns], 1)
    high = np.stack([np.searchsorted(ordered[:, c], values[:, c], "right") for c in columns], 1)
    own = ((low + high + 2) / 2).mean(1)
    base = rankdata(normals, axis=0)
    p = np.empty(len(values))
    for i in range(0, len(values), 512):
        part = values[i : i + 512, None, :]
        pushed = (part < normals) + 0.5 * (part == normals)
        larger = (base[None] + pushed).mean(2) >= own[i : i + 512, None] - 1e-9
        p[i : i + 512] = (1 + larger.sum(1)) / (r + 1)
    return p


def smooth_stream(stream: Stream, known: Known, begin: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooths each clip over the last ones (Eq. 7), and the known normals now and then.

    Args:
      stream: the clips.
      known: the known normals.
      begin: the first clip to smooth, a multiple of REFRESH.

    Returns:
      [t] scores of the stream; [(t - begin) / REFRESH, r] of the known normals, over the clips
      before each REFRESH of the stream.
    """
    t = len(stream.score)
    score, smoothed, of_known = stream.score, stream.score.copy(), []
    between, to_known = _distances(stream, known)
    for first in range(begin, t, REFRESH):
        rows = np.arange(first, min(first + REFRESH, t))
        past = np.arange(max(0, first - HISTORY), rows[-1] + 1)
        distance = between(rows, past)
        copies = stream.origin[rows][:, None] == stream.origin[past][None, :]
        late = past[None, :] >= rows[:, None]
        old = past[None, :] < rows[:, None] - HISTORY
        distance[copies | late | old] = np.inf
        smoothed[rows] = _mean_with_nearest(score[rows], distance, score[past], K)
        before = past[past < first]
        of_known.append(_mean_with_nearest(known.score, to_known(before), score[before], K))
    return smoothed, np.asarray(of_known)


def _distances(stream: Stream, known: Known) -> tuple[Callable, Callable]:
    """Returns functions of rows of the stream: distances from each other, and from the known.

    Copies of few recordings share a table of distances.
    """
    feature, known_feature = (x.feature.astype(np.float32) for x in (stream, known))
    _, place, row = np.unique(stream.origin, return_index=True, return_inverse=True)
    if len(place) > LARGEST_TABLE:
        return (
            lambda rows, past: cdist(feature[rows], feature[past], "sqeuclidean"),
            lambda past: cdist(known_feature, feature[past], "sqeuclidean"),
        )
    table = cdist(feature[place], feature[place], "sqeuclidean")
    known_table = cdist(known_feature, feature[place], "sqeuclidean")
    return (
        lambda rows, past: table[np.ix_(row[rows], row[past])],
        lambda past: known_table[:, row[past]],
    )


def _mean_with_nearest(
    own: np.ndarray, distance: np.ndarray, scores: np.ndarray, k: int
) -> np.ndarray:
    count = min(k - 1, distance.shape[1])
    if not count:
        return own.copy()
    nearest = np.argpartition(distance, count - 1, axis=1)[:, :count]
    usable = np.isfinite(np.take_along_axis(distance, nearest, 1))
    return (own + np.where(usable, scores[nearest], 0).sum(1)) / (1 + usable.sum(1))
