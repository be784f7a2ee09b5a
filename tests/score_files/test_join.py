"""Anyone's scores and features: joined by name, smoothed in groups, averaged by clip."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_dns.errors import InputError
from jax_dns.score_files.join import (
    given_values,
    join,
    largest_k,
    section_groups,
    smooth_clips,
    source_pool,
)
from jax_dns.score_files.read_features import Features, read_features
from jax_dns.score_files.read_scores import place_of
from jax_dns.segments_file import Segments


def scored(names, scores):
    """Rows as `read_scores` gives them."""
    section, domain, label = zip(*map(place_of, names))
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
    rows = join(scored(names, scores), Features(np.asarray(names)[order], features[order]))
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
    rows = join(scored(names, scores), Features(np.asarray(three), features), unit="clip")
    assert rows.clip.tolist() == wavs(10)
    means = scores.reshape(10, 2).mean(1), features.reshape(10, 3, 3).mean(1)
    groups, pool = section_groups(rows, needed=True), np.ones(10, bool)
    _, grid = smooth_clips(rows, [3], groups=groups, pool=pool)
    np.testing.assert_allclose(grid[0], equation_7(*means, 3, groups, pool), atol=1e-5)


def test_scores_that_float32_would_blur(rng):
    scores = 1e7 + rng.normal(size=12) * 1e-3
    names, features = wavs(12, sections=1), rng.normal(size=(12, 2)).astype(np.float32)
    rows = join(scored(names, scores), Features(None, features))
    groups, pool = np.zeros(12, int), np.ones(12, bool)
    _, (same, smoothed) = smooth_clips(rows, [1, 4], groups=groups, pool=pool)
    assert same.tolist() == scores.tolist()
    np.testing.assert_allclose(smoothed, equation_7(scores, features, 4, groups, pool), atol=1e-8)


def test_constant_scores():
    rows = join(scored(wavs(4, 1), [2.5] * 4), Features(None, np.eye(4, dtype=np.float32)))
    _, grid = smooth_clips(rows, [3], groups=rows.section, pool=np.ones(4, bool))
    assert grid.tolist() == [[2.5] * 4]


@pytest.mark.parametrize(
    ("names", "unit", "message"),
    [
        (list("abcdx"), "segment", "no features for 1 of the 5 names of the scores: e .*same"),
        (list("vwxyz"), "segment", "no features for 5 .*: a, b, c and 2 more .*have v, w, x and 2"),
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
    with pytest.raises(InputError, match=r"pool\.csv has no line for b "):
        given_values(plain, {"a": "1"}, source="pool.csv")
    assert largest_k(plain, groups=np.zeros(2, int), pool=np.asarray([True, False]))[0] == 1


def write(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def test_features_of_several_machine_types(tmp_path):
    x = np.arange(8, dtype=np.float16).reshape(4, 2)
    one = write(
        tmp_path / "all.npz", name=list("aabc"), machine=["fan", "pump", "fan", "valve"], feature=x
    )
    found = read_features(one, ["pump", "fan"])
    assert {m: f.name.tolist() for m, f in found.items()} == {"pump": ["a"], "fan": ["a", "b"]}
    assert found["fan"].feature.tolist() == [[0, 1], [4, 5]]
    assert found["fan"].feature.dtype == np.float32
    write(tmp_path / "d/fan.npz", name=np.asarray(["a", "b"], "S"), feature=x[:2].astype(int))
    write(
        tmp_path / "d/pump/segments.npz",
        clip=list("aab"),
        split=["train", "test", "test"],
        feature=x[1:],
    )
    found = read_features(tmp_path / "d", ["fan", "pump"])
    assert found["fan"].name.tolist() == ["a", "b"]
    assert found["pump"].name.tolist() == ["a", "b"]
    assert found["pump"].feature.tolist() == x[2:].tolist()


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("arrays", "machines", "message"),
    [
        ({"name": list("ab")}, ["fan"], "lacks feature .*found name"),
        ({"feature": ONES}, ["fan"], "lacks name"),
        ({"name": [1, 2], "feature": ONES}, ["fan"], r"name is int64 .*expected \[2\] strings"),
        ({"name": list("ab"), "feature": ONES[0]}, ["fan"], r"feature is float64 of shape \[3\]"),
        ({"name": list("abc"), "feature": ONES}, ["fan"], "3 names and 2 rows of feature"),
        ({"name": list("ab"), "feature": ONES[:, :0]}, ["fan"], "at least one row and one column"),
        ({"name": list("ab"), "feature": ONES * [[1], [np.nan]]}, ["fan"], r"row 1 \(b\) holds na"),
        ({"name": list("ab"), "feature": ONES * 1e39}, ["fan"], r"row 0 \(a\) holds inf"),
        ({"name": list("ab"), "feature": ONES}, ["fan", "pump"], "lacks machine, but the scores"),
        (
            {"name": list("ab"), "feature": ONES, "machine": ["fan"] * 2},
            ["pump"],
            r"no rows of pump \(expected some; there is fan\)",
        ),
        ({"name": list("ab"), "feature": ONES, "machine": ["fan"]}, ["fan"], r"machine is .*\[1\]"),
        ({"name": np.asarray(["a", 1], object), "feature": ONES}, ["fan"], "without pickled"),
        ({"name": np.asarray([b"\xff", b"b"]), "feature": ONES}, ["fan"], "name isn't in UTF-8"),
    ],
)
def test_unusable_features(tmp_path, arrays, machines, message):
    with pytest.raises(InputError, match=message) as raised:
        read_features(write(tmp_path / "f.npz", **arrays), machines)
    assert "f.npz: " in str(raised.value) and "\n" not in str(raised.value)


def test_unusable_feature_files(tmp_path):
    (tmp_path / "junk.npz").write_bytes(b"junk")
    (tmp_path / "junk.npy").write_bytes(b"")
    np.save(tmp_path / "rows.npy", ONES)
    np.savez(tmp_path / "x.npz", ONES)
    (tmp_path / "x.npz").rename(tmp_path / "zip.npy")
    (tmp_path / "folder").mkdir()
    for name, machines, message in (
        ("junk.npz", ["fan"], "not a readable .npz"),
        ("junk.npy", ["fan"], "not a readable .npy"),
        ("zip.npy", ["fan"], "is an .npz under another name"),
        ("none.npz", ["fan"], "no such file"),
        ("none.npy", ["fan"], "no such file"),
        ("rows.npy", ["fan", "pump"], "rows without names, but the scores are of fan, pump"),
        ("folder", ["fan"], r"no features of fan \(expected fan.npz or fan/segments.npz\)"),
    ):
        with pytest.raises(InputError, match=message):
            read_features(tmp_path / name, machines)
    rows = read_features(tmp_path / "rows.npy", ["fan"])["fan"]
    assert rows.name is None and rows.feature.shape == (2, 3)
    with pytest.raises(InputError, match="2 rows of features and 3 scores"):
        join(scored(list("abc"), range(3)), rows)
