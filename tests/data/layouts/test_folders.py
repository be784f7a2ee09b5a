"""Plain folders of normal and anomalous recordings."""

import pytest
from data.layouts.trees import index, make_tree
from hypothesis import given
from hypothesis import strategies as st

from jax_dns.errors import InputError


def test_normal_and_anomalous_folders_split_by_a_seed(tmp_path):
    make_tree(tmp_path, *(f"press/normal/day/{i:03d}.wav" for i in range(20)))
    make_tree(tmp_path, "press/abnormal/leak/{0,1,2}.flac")
    rows, lines = index(tmp_path)
    assert lines == [f"layout of {tmp_path}: folders (data.layout names another)"]
    assert rows["press", "abnormal/leak/1.flac"] == (0, "source", "test", 1, "leak")
    normal = {name: row for (_, name), row in rows.items() if row[3] == 0}
    splits = [row[2] for row in normal.values()]
    assert splits.count("test") == 6 and splits.count("train") == 14  # 30 %
    assert {row[4] for row in normal.values()} == {"day"}
    assert index(tmp_path, seed=0)[0] == rows != index(tmp_path, seed=1)[0]
    assert sum(r[2] == "test" for r in index(tmp_path, test_fraction=0.5)[0].values()) == 13


def test_the_split_of_a_section_does_not_depend_on_others(tmp_path):
    make_tree(tmp_path, *(f"press/a/normal/{i:03d}.wav" for i in range(20)))
    before, _ = index(tmp_path)
    make_tree(tmp_path, *(f"press/b/normal/{i:03d}.wav" for i in range(9)), "saw/normal/0.wav")
    after, _ = index(tmp_path)
    assert {key: row for key, row in after.items() if key in before} == before


def test_splits_domains_sections_and_names_of_ones_own(tmp_path):
    make_tree(
        tmp_path,
        "press/line_7/train/good/a.wav",
        "press/line_7/test/{good,broken}/a.wav",
        "press/line_12/target/test/broken/bent/a.wav",
        "press/line_12/train/a.wav",
        "press/line_12/test/a.wav",
        "press/readme/a.wav",
    )
    rows, lines = index(tmp_path, normal=["good"], anomaly=["broken"])
    assert rows == {
        ("press", "line_7/train/good/a.wav"): (7, "source", "train", 0, ""),
        ("press", "line_7/test/good/a.wav"): (7, "source", "test", 0, ""),
        ("press", "line_7/test/broken/a.wav"): (7, "source", "test", 1, ""),
        ("press", "line_12/target/test/broken/bent/a.wav"): (12, "target", "test", 1, "bent"),
        ("press", "line_12/train/a.wav"): (12, "source", "train", 0, ""),
        ("press", "line_12/test/a.wav"): (12, "source", "test", -1, ""),
    }
    assert lines[1] == (
        "press: 1 recordings are left out: press/readme/a.wav (expected below a folder good, "
        "broken, train or test)"
    )
    assert lines[2] == "press: section 12 is line_12, 7 is line_7"


def test_sections_without_numbers_are_numbered_in_order(tmp_path):
    make_tree(tmp_path, "press/{west,east}/normal/0.wav", "saw/normal/0.wav")
    rows, lines = index(tmp_path)
    assert rows["press", "west/normal/0.wav"][0] == 1 and rows["saw", "normal/0.wav"][0] == 0
    assert lines[1:] == ["press: section 0 is east, 1 is west"]


def test_folders_whose_names_end_alike_are_numbered_in_order(tmp_path):
    make_tree(tmp_path, "press/{a1,b1}/normal/0.wav")
    assert "press: section 0 is a1, 1 is b1" in index(tmp_path)[1]


def test_no_anomalies_no_labels(tmp_path):
    make_tree(tmp_path, "press/normal/{0,1,2,3}.wav")
    assert sorted(row[2] for row in index(tmp_path)[0].values()) == ["test"] + ["train"] * 3
    make_tree(tmp_path / "b", "press/train/{0,1}.wav", "press/test/0.wav")
    rows, _ = index(tmp_path / "b", layout="folders")
    assert sorted(row[2:4] for row in rows.values()) == [("test", -1), ("train", 0), ("train", 0)]


def test_an_anomaly_among_the_training_clips_is_refused(tmp_path):
    make_tree(tmp_path, "press/train/{normal,anomaly}/0.wav")
    with pytest.raises(InputError, match=r"press/train/anomaly/0\.wav: a training clip"):
        index(tmp_path)


@given(n=st.integers(1, 40), fraction=st.floats(0, 1))
def test_some_clip_always_trains(tmp_path_factory, n, fraction):
    root = make_tree(tmp_path_factory.mktemp("f"), *(f"m/normal/{i}.wav" for i in range(n)))
    splits = [row[2] for row in index(root, test_fraction=fraction)[0].values()]
    expected = min(max(round(fraction * n), fraction > 0), n - 1)
    assert splits.count("test") == expected
