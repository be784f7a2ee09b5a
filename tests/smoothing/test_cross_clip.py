"""Neighbours of other clips only, against a double loop in NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_dns import smooth_grid
from jax_dns.errors import InputError
from jax_dns.smoothing.cross_clip import other_clip_counts, smooth_other_clips


def double_loop(scores, features, k, *, clip, groups, pool, metric="euclidean"):
    """Eq. 7 item by item, in float64."""
    x = features.astype(float)
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    out = []
    for i in range(len(scores)):
        others = [
            j
            for j in range(len(scores))
            if pool[j] and groups[j] == groups[i] and clip[j] != clip[i]
        ]
        others.sort(key=lambda j: np.sum((x[j] - x[i]) ** 2))
        out.append((scores[i] + sum(scores[j] for j in others[: k - 1])) / k)
    return np.asarray(out)


def problem(rng, clips=14, per_clip=3, d=5):
    n = clips * per_clip
    clip = rng.permutation(np.repeat(np.arange(clips), per_clip))
    centre = rng.normal(size=(clips, d))[clip]  # segments of a clip lie close together
    return dict(
        scores=rng.normal(size=n).astype(np.float32),
        features=(centre + 0.1 * rng.normal(size=(n, d))).astype(np.float32),
        clip=clip,
        groups=clip % 2,
        pool=clip % 5 != 0,
    )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("clips", [14, 120])  # one block, and two
def test_double_loop(rng, metric, clips):
    p = problem(rng, clips)
    ks = (1, 2, 5, int(1 + other_clip_counts(p["clip"], p["groups"], p["pool"]).min()))
    for k, row in zip(ks, smooth_other_clips(**p, ks=ks, metric=metric)):
        np.testing.assert_allclose(row, double_loop(**p, k=k, metric=metric), rtol=2e-5, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_counts_are_of_other_clips_of_the_group_in_the_pool(seed):
    rng = np.random.default_rng(seed)
    clip, groups = rng.integers(0, 4, 12), rng.integers(0, 2, 12)
    pool = rng.random(12) < 0.6
    expected = [
        sum(pool[j] and groups[j] == groups[i] and clip[j] != clip[i] for j in range(12))
        for i in range(12)
    ]
    np.testing.assert_array_equal(other_clip_counts(clip, groups, pool), expected)


def test_one_segment_a_clip_is_plain_smoothing(rng):
    p = problem(rng, 40, 1)
    plain = {name: value for name, value in p.items() if name != "clip"}
    np.testing.assert_allclose(
        smooth_other_clips(**p, ks=(1, 4)), smooth_grid(**plain, ks=(1, 4)), rtol=1e-5
    )


def test_a_k_beyond_the_other_clips_is_refused(rng):
    p = problem(rng)
    largest = int(1 + other_clip_counts(p["clip"], p["groups"], p["pool"]).min())
    smooth_other_clips(**p, ks=(largest,))
    with pytest.raises(InputError, match=f"k: {largest + 1}, expected at most {largest}: item"):
        smooth_other_clips(**p, ks=(largest + 1,))
