"""Layouts are recognised, and trees of none are named with the nearest."""

import pytest
from data.layouts.trees import make_tree

from jax_dns.data.layouts import LAYOUTS, detect, index_clips
from jax_dns.data.layouts.detect import EXAMPLES
from jax_dns.errors import InputError


def test_every_layout_has_an_example_that_it_reads(tmp_path):
    assert EXAMPLES.keys() == LAYOUTS.keys()
    for name, example in EXAMPLES.items():
        root = make_tree(tmp_path / name, example)
        (clips,) = index_clips(root, layout=name, log=lambda line: None).values()
        assert clips[0].path == root / example
        if name != "dcase2022":  # that of one section is 2023's
            assert detect(root) == name


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["fan/train/section_00_source_train_normal_0000.wav"], "dcase2021"),
        (["fan/test/section_0{0,1}_source_test_normal_0000.wav"], "dcase2022"),
        (["fan/test/section_00_{0000,0001}.wav"], "dcase2023"),
        (["fan/{train,target_test}/section_00_target_train_0000.flac"], "dcase2021"),
        (["x/dev_data/fan/train/normal_id_00_00000000.wav"], None),
        (["fan/id_00/{normal,abnormal}/00000000.wav"], "mimii"),
        (["fan/{normal,anomaly}/fan.wav"], "folders"),
    ],
)
def test_what_decides(tmp_path, paths, expected):
    make_tree(tmp_path, *paths)
    if expected:
        assert detect(tmp_path) == expected
    else:
        with pytest.raises(InputError, match=f"{tmp_path}/x would fit"):
            detect(tmp_path)


def test_most_recordings_decide(tmp_path):
    make_tree(tmp_path, "fan/train/section_0{0,1,2}_source_train_0000.wav", "fan/train/x.wav")
    make_tree(tmp_path, "fan/normal/x.wav")
    assert detect(tmp_path) == "dcase2021"


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("fan/train/sec_00_source_train_normal_0000.wav", "dcase2021"),
        ("pump/test/normal_00_00000000.wav", "dcase2020"),
        ("0_dB_fan/fan/id_00/healthy/00000000.wav", "mimii"),
        ("press/healthy/0001.wav", "folders"),
    ],
)
def test_a_wrong_tree_is_one_line_with_the_nearest_layout(tmp_path, path, nearest):
    make_tree(tmp_path, path)
    with pytest.raises(InputError) as error:
        detect(tmp_path)
    text = str(error.value)
    assert text.startswith(f"data.root: the recordings below {tmp_path} fit no layout: {path} ")
    assert f"the nearest is {nearest}, such as {EXAMPLES[nearest]})" in text and "\n" not in text


def test_a_folder_within_a_tree_names_the_one_above(tmp_path):
    root = make_tree(tmp_path / "fan", "train/section_00_source_train_normal_0000.wav")
    with pytest.raises(InputError, match=f"; {tmp_path} would fit"):
        detect(root)


def test_folders_of_ones_own_names(tmp_path):
    make_tree(tmp_path, "press/healthy/0.wav")
    assert detect(tmp_path, normal=["healthy"]) == "folders"


def test_no_recordings(tmp_path):
    make_tree(tmp_path, "fan/train/notes.txt")
    with pytest.raises(InputError, match=r"data.root: no .wav or .flac files below"):
        detect(tmp_path)
