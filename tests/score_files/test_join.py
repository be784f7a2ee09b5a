"""Scores joined with features, groups and pools, and smoothed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_dns.errors import InputError
from jax_dns.score_files.clip_names import parse_clip_name
from jax_dns.score_files.join import join, section_groups, source_pool, values_of_clips
from jax_dns.score_files.read_features import Features
from jax_dns.score_files.smooth_scores import largest_k, smooth_clips
from jax_dns.segments_file import Segments


def scored(names, scores):
    """Rows as `read_scores` gives them."""
    section, domain, label = zip(*map(parse_clip_name, names))
    n = len(names)
    return Segments(
        np.asarray(names),
        np.zeros(n, np.int32),
        np.asarray(section),
        np.asarray(domain),
        np.full(n, "test"),
        np.asarray(label, np.int8),
        np.asarray(scores, float),
        np.zeros((n, 0)),
    )


def equation_7(scores, features, k, groups, pool):
    """The mean over oneself and the k - 1 nearest of one's group in the pool, item by item."""
    out = []
    for i in range(len(scores)):
        found = []
        for j in range(len(scores)):
            if j != i and groups[j] == groups[i] and pool[j]:
                found.append((((features[i] - features[j]) ** 2).sum(), scores[j]))
        out.append((scores[i] + sum(s for _, s in sorted(found)[: k - 1])) / k)
    return np.asarray(out)


def wavs(n, sections=2, per_clip=1):
    domains = ("source", "target")
    names = [f"section_{i % sections:02d}_{domains[i % 3 == 2]}_test_{i:04d}.wav" for i in range(n)]
    return [name for name in names for _ in range(per_clip)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), per_clip=st.integers(1, 3), k=st.integers(1, 5))
def test_against_a_loop_over_shuffled_features(seed, per_clip, k):
    rng = np.random.default_rng(seed)
    names = wavs(18, per_clip=per_clip)
    scores = rng.normal(size=len(names)) * 3 - 700
    features = rng.normal(size=(len(names), 3)).astype(np.float32)
    order = rng.permutation(len(names))
    # Names in any order, but the rows of one name in theirs.
    for name in set(names):
        rows = np.flatnonzero(np.asarray(names)[order] == name)
        order[rows] = np.sort(order[rows])
    given_features = Features(np.asarray(names)[order], features[order])
    rows = join(scored(names, scores), given_features).rows
    np.testing.assert_array_equal(rows.feature, features)
    groups, pool = section_groups(rows, needed=True), source_pool(rows)
    assert k <= largest_k(rows, groups=groups, pool=pool)[0]
    clips, grid = smooth_clips(rows, [k], groups=groups, pool=pool)
    expected = equation_7(scores, features, k, groups, pool).reshape(-1, per_clip).mean(1)
    assert clips.name.tolist() == wavs(18)
    np.testing.assert_allclose(grid[0], expected, atol=1e-5)


def test_unit_clip_averages_before_smoothing(rng):
    names = wavs(10, per_clip=2)
    scores, features = rng.normal(size=20), rng.normal(size=(30, 3)).astype(np.float32)
    three = wavs(10, per_clip=3)
    rows = join(scored(names, scores), Features(np.asarray(three), features), unit="clip").rows
    assert rows.clip.tolist() == wavs(10)
    means = scores.reshape(10, 2).mean(1), features.reshape(10, 3, 3).mean(1)
    groups, pool = section_groups(rows, needed=True), np.ones(10, bool)
    _, grid = smooth_clips(rows, [3], groups=groups, pool=pool)
    np.testing.assert_allclose(grid[0], equation_7(*means, 3, groups, pool), atol=1e-5)


def test_scores_that_float32_would_blur(rng):
    scores = 1e7 + rng.normal(size=12) * 1e-3
    names, features = wavs(12, sections=1), rng.normal(size=(12, 2)).astype(np.float32)
    rows = join(scored(names, scores), Features(None, features)).rows
    groups, pool = np.zeros(12, int), np.ones(12, bool)
    _, (same, smoothed) = smooth_clips(rows, [1, 4], groups=groups, pool=pool)
    assert same.tolist() == scores.tolist()
    np.testing.assert_allclose(smoothed, equation_7(scores, features, 4, groups, pool), atol=1e-8)


def test_constant_scores():
    rows = join(scored(wavs(4, 1), [2.5] * 4), Features(None, np.eye(4, dtype=np.float32))).rows
    _, grid = smooth_clips(rows, [3], groups=rows.section, pool=np.ones(4, bool))
    assert grid.tolist() == [[2.5] * 4]


@pytest.mark.parametrize(
    ("names", "unit", "message"),
    [
        (list("abcdx"), "segment", "no features for 1 of the 5 names of the scores: e .*same"),
        (
            list("vwxyz"),
            "segment",
            "none of 5 names matches: the scores have a, b, c and 2 more; the features have v, w,",
        ),
        (list("abcdef"), "segment", "no scores for 1 of the 6 names of the features: f"),
        (list("abcdeee"), "segment", "not equally many for 1 names: e has 1 and 3 .*--unit clip"),
        (list("abcde"), "window", "unit: 'window', expected segment or clip"),
    ],
)
def test_names_that_do_not_match(names, unit, message):
    features = Features(np.asarray(names), np.ones((len(names), 2), np.float32))
    with pytest.raises(InputError, match=message):
        join(scored(list("abcde"), range(5)), features, unit=unit)


def test_groups_and_pools_need_names_that_tell():
    plain, mixed = scored(["a", "b"], [0, 0]), scored(["a", *wavs(2)], [0, 0, 0])
    assert section_groups(plain, needed=False).tolist() == [0, 0]
    with pytest.raises(InputError, match="2 of 2 names carry no section: a, b"):
        section_groups(plain, needed=True)
    with pytest.raises(InputError, match="1 of 3 names carry no section: a "):
        section_groups(mixed, needed=False)
    with pytest.raises(InputError, match="1 of 3 names carry no domain: a "):
        source_pool(mixed)
    with pytest.raises(InputError, match=r"pool\.csv: 1 of 2 clips have a line, not b "):
        values_of_clips(plain, {"a": "1"}, source="pool.csv")
    with pytest.raises(InputError, match=r"pool\.csv: none of 2 names matches"):
        values_of_clips(plain, {"c": "1"}, source="pool.csv")
    values, match = values_of_clips(plain, {"x/b": "1", "x/a": "0"}, source="pool.csv")
    assert values.tolist() == ["0", "1"] and match == "2 of 2 clips, by base name"
    assert largest_k(plain, groups=np.zeros(2, int), pool=np.asarray([True, False]))[0] == 1


def test_names_are_joined_by_base_name(rng):
    features = rng.normal(size=(4, 2)).astype(np.float32)
    names = np.asarray([f"/data/fan/{name}.npy" for name in "dcba"])
    scores = scored([f"{name}.wav" for name in "abcd"], range(4))
    rows, match = join(scores, Features(names, features))
    np.testing.assert_array_equal(rows.feature, features[::-1])
    assert match == "4 of 4 names, by base name without suffix"
    assert rows.clip.tolist() == ["a.wav", "b.wav", "c.wav", "d.wav"]
    _, match = join(scores, Features(scores.clip, features))
    assert match == "4 of 4 names"


def test_rows_without_names_are_as_many_as_the_scores():
    with pytest.raises(InputError, match="2 rows of features and 3 scores"):
        join(scored(list("abc"), range(3)), Features(None, np.ones((2, 3), np.float32)))
