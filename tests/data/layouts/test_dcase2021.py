"""DCASE 2021: a folder for each domain's test clips."""

import pytest
from data.layouts.trees import index, make_tree

from jax_dns.errors import InputError


@pytest.mark.parametrize("bases", [("dev_data", "eval_data"), (".", "."), ("dev_data/raw", ".")])
def test_dev_and_eval_side_by_side_or_one_flat_root(tmp_path, bases):
    make_tree(
        tmp_path,
        f"{bases[0]}/anvil/train/section_00_source_train_normal_0000_a_b.wav",
        f"{bases[1]}/anvil/source_test/section_03_source_test_0000.wav",
        f"{bases[0]}/anvil/train/{{notes.txt,.hidden.wav}}",
    )
    rows, lines = index(tmp_path)
    assert rows == {
        ("anvil", "section_00_source_train_normal_0000_a_b.wav"): (0, "source", "train", 0, "a_b"),
        ("anvil", "section_03_source_test_0000.wav"): (3, "source", "test", -1, ""),
    }
    assert lines == [f"layout of {tmp_path}: dcase2021 (data.layout names another)"]


def test_labels_are_joined(tmp_path):
    names = [f"section_03_source_test_000{number}.wav" for number in range(3)]
    make_tree(tmp_path, *(f"eval_data/fan/source_test/{name}" for name in names))
    truth = tmp_path / "ground_truth/ground_truth_fan_section_03_source_test.csv"
    truth.parent.mkdir()
    truth.write_text(f"{names[1]},1\n{names[0]},0\n")
    rows, lines = index(tmp_path)
    assert [rows["fan", name][3] for name in names] == [0, 1, -1]
    assert lines[1:] == [
        "ground truth of fan: 2 of 2 names are those of test clips",
        f"ground truth of fan: no line for {names[2]}; unlabelled",
    ]


def test_one_name_twice_is_refused(tmp_path):
    make_tree(tmp_path, "{dev_data,eval_data}/fan/train/section_00_source_train_normal_0000.wav")
    with pytest.raises(InputError, match="a clip of this name is also at"):
        index(tmp_path)


def test_a_name_that_does_not_parse_is_named(tmp_path):
    make_tree(tmp_path, "fan/source_test/section_0{0,1}_source_test_normal_0000.wav")
    make_tree(tmp_path, "fan/source_test/section_00_source_normal_0000.wav")
    with pytest.raises(InputError, match=r"section_00_source_normal_0000.wav: name does not parse"):
        index(tmp_path)
    rows, _ = index(
        make_tree(tmp_path, "pump/train/section_00_target_train_0000.wav"), machines=["pump"]
    )
    assert len(rows) == 1  # other machine types are not read


def test_real_recordings(shared):
    rows, lines = index(shared / "machines")
    assert lines == [f"layout of {shared / 'machines'}: dcase2021 (data.layout names another)"]
    assert {machine for machine, _ in rows} == {"motor", "uav"}
    assert sum(machine == "uav" for machine, _ in rows) == 311
