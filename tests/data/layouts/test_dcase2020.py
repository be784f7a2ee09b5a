"""DCASE 2020: IDs as sections, one domain, equal names in train/ and test/."""

import pytest
from data.layouts.trees import index, make_tree

from jax_dns.errors import InputError


def test_development_and_evaluation_clips(tmp_path):
    make_tree(
        tmp_path,
        "dev_data/ToyCar/{train,test}/normal_id_01_00000000.wav",
        "dev_data/ToyCar/test/anomaly_id_02_00000263.wav",
        "eval_data/ToyCar/train/normal_id_05_00000000.wav",
        "eval_data/ToyCar/test/id_05_{00000000,00000001}.wav",
    )
    (tmp_path / "eval_data_list.csv").write_text(
        "ToyCar\nid_05_00000000.wav,normal_id_05_00000007.wav,0\n"
        "id_05_00000001.wav,anomaly_id_05_00000000.wav,1\n"
    )
    rows, lines = index(tmp_path)
    assert rows == {
        ("ToyCar", "train/normal_id_01_00000000.wav"): (1, "source", "train", 0, ""),
        ("ToyCar", "normal_id_01_00000000.wav"): (1, "source", "test", 0, ""),
        ("ToyCar", "anomaly_id_02_00000263.wav"): (2, "source", "test", 1, ""),
        ("ToyCar", "train/normal_id_05_00000000.wav"): (5, "source", "train", 0, ""),
        ("ToyCar", "id_05_00000000.wav"): (5, "source", "test", 0, ""),
        ("ToyCar", "id_05_00000001.wav"): (5, "source", "test", 1, ""),
    }
    assert lines[0] == f"layout of {tmp_path}: dcase2020 (data.layout names another)"
    assert lines[1] == "ground truth of ToyCar: 2 of 2 names are those of test clips"


def test_renamed_test_clips_replace_the_published_ones(tmp_path):
    make_tree(
        tmp_path,
        "dcase2020t2/eval_data/raw/fan/train/normal_id_01_00000000.wav",
        "dcase2020t2/eval_data/raw/fan/test/id_01_00000000.wav",
        "dcase2020t2/eval_data/raw/fan/test_rename/anomaly_id_01_00000000.wav",
    )
    rows, _ = index(tmp_path / "dcase2020t2")
    assert rows["fan", "anomaly_id_01_00000000.wav"] == (1, "source", "test", 1, "")
    assert len(rows) == 2


def test_another_name_is_refused(tmp_path):
    make_tree(tmp_path, "fan/train/normal_id_00_0000000{0,1}.wav", "fan/train/id_zero.wav")
    with pytest.raises(InputError, match=r"fan/train/id_zero.wav: name does not parse"):
        index(tmp_path)
    make_tree(tmp_path / "b", "fan/train/anomaly_id_00_00000000.wav")
    with pytest.raises(InputError, match="a training clip is named anomaly"):
        index(tmp_path / "b")
