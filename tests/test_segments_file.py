"""segments.npz: what a stranger may write, and what is refused."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.segments_file import (
    Segments,
    clip_mean,
    clip_scores,
    clips_of,
    read_segments,
    write_segments,
)


def arrays(n=6):
    return {
        "clip": np.asarray([f"{i // 2}.wav" for i in range(n)]),
        "section": np.zeros(n, np.int64),
        "domain": np.asarray(["source", "target", "source"] * n)[:n].repeat(2)[:n],
        "label": np.asarray([0, 1, -1] * n)[:n].repeat(2)[:n],
        "score": np.arange(n, dtype=np.float64),
        "feature": np.ones((n, 3)),
        "format_version": np.asarray(1),
    }


def written(path, **changes):
    given = {k: v for k, v in (arrays() | changes).items() if v is not None}
    np.savez(path, **given)
    return path


def test_a_strangers_file_gets_the_defaults(tmp_path):
    segments, extra = read_segments(written(tmp_path / "s.npz", score_other=np.zeros(6)))
    assert (segments.segment == 0).all() and (segments.split == "test").all()
    assert segments.score.dtype == segments.feature.dtype == np.float32
    assert segments.label.dtype == np.int8 and list(extra) == ["score_other"]


def test_round_trip_keeps_extra_arrays(tmp_path):
    segments, _ = read_segments(written(tmp_path / "a.npz"))
    write_segments(tmp_path / "b.npz", segments, feature_other=np.ones((6, 2)))
    again, extra = read_segments(tmp_path / "b.npz")
    for a, b in zip(again, segments):
        np.testing.assert_array_equal(a, b)
    assert extra["feature_other"].shape == (6, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(score=None), "lacks score"),
        (dict(format_version=np.asarray(2)), "format_version is 2, expected 1"),
        (dict(section=np.zeros(5, int)), r"section has shape \[5\], expected 6 rows"),
        (dict(feature=np.ones(6)), "feature is 1-dimensional float64, expected 2"),
        (dict(label=np.zeros(6)), "label is 1-dimensional float64"),
        (dict(clip=np.arange(6)), "clip is 1-dimensional int64, expected 1 dimension of str"),
        (dict(domain=np.asarray(["home"] * 6)), "domain of row 0 is .*home.*expected one of"),
        (dict(label=np.full(6, 3)), "label of row 0 is .*3.*expected one of 0, 1, -1"),
        (dict(score=np.full(6, np.nan)), "score of row 0 isn't finite"),
        (dict(feature=np.full((6, 2), np.inf)), "feature of row 0 isn't finite"),
        (dict(clip=np.asarray([None] * 6)), "without pickled objects"),
        (dict(section=np.asarray([0, 0, 0, 0, -1, -1])), "section of row 4 is -1, expected 0 or"),
        (dict(split=np.full(6, "train")), "no row has the split test"),
        (
            dict(label=np.asarray([0, 0, 1, 0, 1, 1])),
            "label of 1.wav is 1 in row 2 and 0 in row 3, expected one label a clip",
        ),
        (dict(section=np.asarray([0, 1, 0, 0, 0, 0])), "section of 0.wav is 0 in row 0 and 1 in"),
        (dict(domain=np.asarray(["source"] * 5 + ["target"])), "domain of 2.wav is 'source' in"),
        (dict(split=np.asarray(["test"] * 5 + ["train"])), "split of 2.wav is 'test' in row 4"),
    ],
)
def test_bad_files_name_the_array(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"s\.npz: .*{message}"):
        read_segments(written(tmp_path / "s.npz", **changes))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"text"])
def test_damaged_files(tmp_path, content):
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"s\.npz: not a readable \.npz"):
        read_segments(tmp_path / "s.npz")
    with pytest.raises(InputError, match="no such file"):
        read_segments(tmp_path / "nothing.npz")


def test_scores_may_be_missing_off_test(tmp_path):
    score = np.asarray([np.nan, 1, 1, 1, 1, 1])
    split = np.asarray(["train"] * 2 + ["test"] * 4)
    path = written(tmp_path / "s.npz", score=score, split=split)
    assert np.isnan(read_segments(path)[0].score[0])


def test_clips_and_their_means(tmp_path):
    clip = np.asarray(["b", "a", "b", "c", "a", "a"])
    n = len(clip)
    segments = Segments(
        clip,
        np.zeros(n, np.int32),
        np.asarray([1, 2, 1, 3, 2, 2], np.int32),
        np.full(n, "source"),
        np.full(n, "test"),
        np.zeros(n, np.int8),
        np.asarray([1, 2, 3, 4, 5, 6], np.float32),
        np.ones((n, 2), np.float32),
    )
    clips = clips_of(segments)
    assert clips.name.tolist() == ["b", "a", "c"] and clips.section.tolist() == [1, 2, 3]
    np.testing.assert_allclose(clip_mean(clips, segments.score), [2, 13 / 3, 4])
    two = np.stack([segments.score, -segments.score], 1)
    np.testing.assert_allclose(clip_mean(clips, two), [[2, -2], [13 / 3, -13 / 3], [4, -4]])


@pytest.mark.parametrize("aggregate", ["mean", "max", "top"])
def test_clip_scores_against_a_loop(rng, aggregate):
    segments = 14 * ["b"] + 3 * ["a"] + 5 * ["c"] + ["d"]
    clip = rng.permutation(segments)
    n = len(clip)
    zeros = np.zeros(n, np.int32)
    text = np.full(n, "test")
    rows = Segments(clip, zeros, zeros, text, text, zeros, np.zeros(n), np.zeros((n, 1)))
    clips, values = clips_of(rows), np.round(rng.normal(size=n), 1)
    expected = []
    for name in clips.name:
        own = sorted(values[clip == name], reverse=True)
        kept = {"mean": len(own), "max": 1, "top": (len(own) + 4) // 5}[aggregate]
        expected.append(np.mean(own[:kept]))
    np.testing.assert_allclose(clip_scores(clips, values, aggregate), expected)
