"""Split folders of machine types, with the variants that downloads and baselines make."""

import pytest
from data.layouts.trees import make_tree

from jax_dns.data.layouts.split_folders import audio_files, choose_machines, machine_folders
from jax_dns.errors import InputError


def folders(root, *names):
    found = machine_folders(root, names)
    return {m: [f.relative_to(root).as_posix() for f in fs] for m, fs in found.items()}


def test_flat_dev_eval_and_raw(tmp_path):
    make_tree(
        tmp_path, "fan/train/0.wav", "dev_data/fan/test/0.wav", "eval_data/raw/fan/test/0.wav"
    )
    make_tree(tmp_path, "dev_data/pump/other/0.wav")
    expected = ["fan/train", "dev_data/fan/test", "eval_data/raw/fan/test"]
    assert folders(tmp_path, "train", "test") == {"fan": expected}


def test_a_renamed_copy_replaces_the_test_folders_beside_it(tmp_path):
    make_tree(tmp_path, "fan/{train,test,source_test,test_rename}/0.wav", "pump/test/0.wav")
    names = ("train", "test", "source_test", "test_rename")
    assert folders(tmp_path, *names) == {
        "fan": ["fan/test_rename", "fan/train"],
        "pump": ["pump/test"],
    }


def test_machines_are_those_asked_for(tmp_path):
    assert choose_machines({"b", "a"}, (), tmp_path) == ["a", "b"]
    assert choose_machines(["b", "a"], ["b", "b"], tmp_path) == ["b"]
    with pytest.raises(InputError, match=r"no recordings of 'c' .*expected some of a, b"):
        choose_machines(["b", "a"], ["c"], tmp_path)


def test_empty_folders_are_named(tmp_path):
    make_tree(tmp_path, "fan/train/{a.txt,.b.wav}")
    with pytest.raises(InputError, match=r"fan/train: no \.wav or \.flac files"):
        list(audio_files([tmp_path / "fan/train"]))
