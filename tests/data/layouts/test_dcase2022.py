"""DCASE 2022: one test folder, evaluation clips without domain and label."""

import pytest
from data.layouts.trees import index, make_tree

from jax_dns.errors import InputError

EVALUATION = ["section_03_0000.wav", "section_03_test_0001.wav"]  # both forms are in use


@pytest.fixture
def tree(tmp_path):
    return make_tree(
        tmp_path,
        "dev_data/bearing/train/section_00_source_train_normal_0000_vel_6.wav",
        "dev_data/bearing/test/section_01_target_test_anomaly_0000_vel_8_loc_H.wav",
        "eval_data/bearing/train/section_03_target_train_normal_0000.wav",
        *(f"eval_data/bearing/test/{name}" for name in EVALUATION),
    )


def test_names_attributes_and_unknown_domains(tree):
    (tree / "eval_data/bearing/attributes_03.csv").write_text(
        "file_name,d1p,d1v,d2p,d2v\n"
        "bearing/train/section_03_target_train_normal_0000.wav,vel,25,loc,A\n"
    )
    rows, lines = index(tree)
    assert rows == {
        ("bearing", "section_00_source_train_normal_0000_vel_6.wav"): (
            0,
            "source",
            "train",
            0,
            "vel_6",
        ),
        ("bearing", "section_01_target_test_anomaly_0000_vel_8_loc_H.wav"): (
            1,
            "target",
            "test",
            1,
            "vel_8_loc_H",
        ),
        ("bearing", "section_03_target_train_normal_0000.wav"): (
            3,
            "target",
            "train",
            0,
            "vel_25_loc_A",
        ),
        ("bearing", EVALUATION[0]): (3, "source", "test", -1, ""),
        ("bearing", EVALUATION[1]): (3, "source", "test", -1, ""),
    }
    assert lines[0].endswith(": dcase2022 (data.layout names another)")
    assert lines[1].startswith("bearing: 2 clips of unknown domain are counted as source")


def test_the_evaluators_list_gives_domains(tree):
    (tree / "eval_data_list_2022.csv").write_text(
        f"bearing\n{EVALUATION[0]},section_03_target_test_anomaly_0000_vel_25.wav\n"
        f"{EVALUATION[1]},section_03_source_test_normal_0001_vel_9.wav\n"
    )
    rows, lines = index(tree)
    assert rows["bearing", EVALUATION[0]] == (3, "target", "test", 1, "vel_25")
    assert rows["bearing", EVALUATION[1]] == (3, "source", "test", 0, "vel_9")
    assert lines[1:] == ["ground truth of bearing: 2 of 2 names are those of test clips"]


def test_a_table_of_attributes_of_another_form_is_refused(tree):
    (tree / "dev_data/bearing/attributes_00.csv").write_text("section_00.wav,vel,6\n")
    with pytest.raises(InputError, match=r"attributes_00.csv, line 1: .*expected file_name,d1p"):
        index(tree)
