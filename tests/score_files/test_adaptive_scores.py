"""Smoothing by known normals and by a dose on joined scores."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.score_files.adaptive_scores import (
    ADAPTIVE,
    smooth_scores_adaptively,
    smooth_scores_by_dose,
    with_known_normals,
)
from jax_dns.segments_file import Segments
from jax_dns.smoothing.adaptive import smooth_adaptively
from jax_dns.smoothing.dose import smooth_dose


def rows(rng, names):
    n = len(names)
    score, feature = rng.normal(size=n), rng.normal(size=(n, 3)).astype(np.float32)
    zero, blank = np.zeros(n, np.int32), np.full(n, "")
    label = np.full(n, -1, np.int8)
    return Segments(np.asarray(names), zero, zero, blank, blank, label, score, feature)


def test_known_normals_are_left_out_of_the_result(rng):
    scored, known = (rows(rng, [f"{kind}{i}" for i in range(40)]) for kind in "tk")
    both = with_known_normals(scored, known)
    order = rng.permutation(80)
    is_known = np.arange(80)[order] >= 40
    groups = np.zeros(80, np.int64)
    result, choices = smooth_scores_adaptively(both.where(order), is_known, groups=groups, gate=2.5)
    t, k = order[~is_known], order[is_known]
    a, x = both.score, both.feature
    expected = smooth_adaptively(a[t], x[t], a[k], x[k])
    np.testing.assert_array_equal(result.clips.name, both.clip[t])
    np.testing.assert_array_equal(result.after[ADAPTIVE], expected.scores)
    np.testing.assert_array_equal(result.before, a[t])
    assert choices[0].description == expected.description
    with pytest.raises(InputError, match="t0, t1, t10 and 37 more of --scores too"):
        with_known_normals(scored, scored)


def test_a_dose_is_averaged_over_segments(rng):
    segments = rows(rng, [f"{i // 2}" for i in range(40)])
    common = dict(groups=np.arange(40) % 4 // 2 + 7, pool=np.ones(40, bool))
    result = smooth_scores_by_dose(segments, [2, 5], 0.3, **common)
    for k in (2, 5):
        smoothed = smooth_dose(
            segments.score, segments.feature, k, weight=0.7, groups=common["groups"]
        )
        np.testing.assert_allclose(result.after[k], smoothed.reshape(-1, 2).mean(1))
    with pytest.raises(InputError, match=r"--k: .1, 2. with --dose, expected 2 to 20"):
        smooth_scores_by_dose(segments, [1, 2], 0.3, **common)
