"""Any layout by name or function, checked and joined."""

import pytest
from data.layouts.trees import index, make_tree

from jax_dns.data.clips import Clip
from jax_dns.data.layouts import index_clips
from jax_dns.errors import InputError


def flat(root):
    """A stranger's layout: names such as m.7.normal.wav, all in one folder; test clips only."""
    for path in root.iterdir():
        machine, section, label = path.stem.split(".")
        yield Clip(path, path.name, machine, int(section), "source", "test", int(label != "normal"))


def test_a_layout_of_ones_own(tmp_path):
    make_tree(tmp_path, "saw.7.{normal,bent}.wav", "drill.1.normal.wav")
    rows, lines = index(tmp_path, layout=flat)
    assert rows == {
        ("saw", "saw.7.normal.wav"): (7, "source", "test", 0, ""),
        ("saw", "saw.7.bent.wav"): (7, "source", "test", 1, ""),
        ("drill", "drill.1.normal.wav"): (1, "source", "test", 0, ""),
    }
    assert lines == []
    (only,) = index(tmp_path, layout=flat, machines=["drill"])[0]
    assert only == ("drill", "drill.1.normal.wav")
    with pytest.raises(InputError, match="no recordings of fan in"):
        index(tmp_path, layout=flat, machines=["fan"])


def test_a_layout_gets_the_options_that_it_names(tmp_path):
    make_tree(tmp_path, "saw.7.normal.wav")
    calls = []

    def with_some(root, *, seed, machines):
        calls.append((seed, machines))
        return flat(root)

    def with_all(root, **options):
        calls.append(sorted(options))
        return flat(root)

    index(tmp_path, layout=with_some, seed=3, machines=["saw"])
    index(tmp_path, layout=with_all)
    names = ["anomaly", "log", "machines", "normal", "seed", "test_fraction"]
    assert calls == [(3, ("saw",)), names]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 2}, "label is 2, expected one of"),
        ({"split": "train", "label": 1}, "a training clip is named anomaly"),
        ({"name": "same"}, "a clip of this name is also at"),
    ],
)
def test_what_a_layout_returns_is_checked(tmp_path, change, message):
    make_tree(tmp_path, "saw.7.{normal,bent}.wav")
    with pytest.raises(InputError, match=message):
        index(tmp_path, layout=lambda root: (clip._replace(**change) for clip in flat(root)))


def test_clips_come_in_the_order_of_their_names(tmp_path):
    make_tree(tmp_path, "{b,a}.1.normal.wav", "a.{3,2}.normal.wav")
    clips = index_clips(tmp_path, layout=flat)
    assert list(clips) == ["a", "b"]
    assert [c.section for c in clips["a"]] == [1, 2, 3]


def test_training_clips_without_a_label_are_normal(tmp_path):
    make_tree(tmp_path, "saw.7.normal.wav")

    def training_clips(root):
        return [clip._replace(split="train", label=-1) for clip in flat(root)]

    assert index(tmp_path, layout=training_clips)[0]["saw", "saw.7.normal.wav"][3] == 0


def test_missing_root_machine_and_recordings(tmp_path):
    with pytest.raises(InputError, match=r"data.root: .*nowhere is not a folder"):
        index_clips(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no \.wav or \.flac files below"):
        index_clips(tmp_path)
    make_tree(tmp_path, "fan/train/section_00_source_train_normal_0000.wav")
    with pytest.raises(InputError, match=r"no recordings of 'pump' .*expected some of fan"):
        index_clips(tmp_path, machines=["pump"])
    with pytest.raises(InputError, match=r"data\.layout: 'dcase2019', expected auto or one of"):
        index_clips(tmp_path, layout="dcase2019")
    (tmp_path / "pump/train").mkdir(parents=True)
    with pytest.raises(InputError, match=r"pump/train: no \.wav or \.flac files"):
        index_clips(tmp_path)
